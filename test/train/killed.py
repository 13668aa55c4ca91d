#!/usr/bin/env python3
"""A trainer that is killed loses no checkpoint that it has announced.
In: TRAINER, its DATA, a FOLDER to work in.
Out: exit status 1 and what went wrong: after SIGKILL at a random moment the last checkpoint is whole."""
import os
import random
import shutil
import subprocess
import sys
import time

KILLS = 20


def main():
    trainer, data, folder = sys.argv[1:]
    checkpoints, numbers, wrong = os.path.join(folder, "killed"), random.Random(1), []
    shutil.rmtree(checkpoints, ignore_errors=True)
    last = os.path.join(checkpoints, "last.safetensors")
    for kill in range(KILLS):
        resume = ["--resume"] if os.path.exists(last) else []
        p = subprocess.Popen([trainer, "train", "--data", data, "--epochs", "100000", "--checkpoint", checkpoints] + resume,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while p.poll() is None and not os.path.exists(last):
            time.sleep(0.01)
        time.sleep(numbers.uniform(0, 0.2))
        if p.poll() is not None:
            wrong.append(f"kill {kill}: it had ended by itself with {p.returncode}: {p.stderr.read()[-1000:]}")
        p.kill()
        p.communicate()
        r = subprocess.run([trainer, "eval", last, "--data", data], capture_output=True, text=True)
        if r.returncode:
            wrong.append(f"kill {kill}: {r.stderr[-1000:]}")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
