#!/usr/bin/env python3
"""A trainer that is killed loses no checkpoint that it has announced.
In: TRAINER, its DATA, a FOLDER to work in, the number of kills (default: 20; the campaign before a release: 200).
Out: exit status 1 and what went wrong: after SIGKILL at a random moment the last checkpoint is whole, and of the last epoch that was announced or
a later one."""
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import time



def epoch_of(path):
    with open(path, "rb") as f:
        return int(json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))["__metadata__"]["epoch"])


def announced(log):
    """The last epoch that the trainer has told of, 0 for none; a line that the kill has cut does not count."""
    with open(log) as f:
        lines = [line for line in f if line.endswith("\n")]
    return max((e["epoch"] for e in map(json.loads, lines) if e.get("event") == "epoch"), default=0)


def main():
    trainer, data, folder = sys.argv[1:4]
    kills = int(sys.argv[4]) if len(sys.argv) > 4 else 20
    checkpoints, numbers, wrong = os.path.join(folder, "killed"), random.Random(1), []
    shutil.rmtree(checkpoints, ignore_errors=True)
    last = os.path.join(checkpoints, "last.safetensors")
    for kill in range(kills):
        resume = ["--resume"] if os.path.exists(last) else []
        log = os.path.join(folder, "killed.log")
        with open(log, "w") as out:
            p = subprocess.Popen([trainer, "train", "--data", data, "--epochs", "100000", "--checkpoint", checkpoints, "--json"] + resume, stdout=out,
                                 stderr=subprocess.PIPE, text=True)
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
        elif epoch_of(last) < announced(log):
            wrong.append(f"kill {kill}: epoch {announced(log)} was announced, the checkpoint is of {epoch_of(last)}")
    print(f"{kills} kills, the last checkpoint is of epoch {epoch_of(last)}")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
