#!/usr/bin/env python3
"""C-c leaves a valid checkpoint, at any moment of training.
In: TRAINER, its DATA, a FOLDER to work in.
Out: exit status 1 and what went wrong: the trainer's own status is 128 + the signal's number, its checkpoint evaluates and resumes."""
import os
import shutil
import signal
import subprocess
import sys
import time

EPOCHS = 100000  # never reached
DELAYS = (0.05, 0.2, 0.5, 0.9)


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, errors="replace")


def main():
    trainer, data, folder = sys.argv[1:]
    wrong = []
    for number, delay in [(signal.SIGINT, d) for d in DELAYS] + [(signal.SIGTERM, 0.3)]:
        checkpoints = os.path.join(folder, f"{number}-{delay}")
        shutil.rmtree(checkpoints, ignore_errors=True)
        last = os.path.join(checkpoints, "last.safetensors")
        command = [trainer, "train", "--data", data, "--epochs", str(EPOCHS), "--checkpoint", checkpoints]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as p:
            while p.poll() is None and not os.path.exists(last):  # until the first epoch has been announced
                time.sleep(0.01)
            time.sleep(delay)
            p.send_signal(number)
            try:
                said, _ = p.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                p.kill()
                wrong.append(f"signal {number} after {delay} s: still running 30 s later")
                continue
        if p.returncode != 128 + number:
            wrong.append(f"signal {number} after {delay} s: exit status {p.returncode}\n{said[-1000:]}")
        left = [f for f in os.listdir(checkpoints) if f.endswith((".tmp", "~"))]
        if left:
            wrong.append(f"signal {number} after {delay} s: left {left}")
        for action in (["eval", last, "--data", data], command[1:4] + ["--epochs", str(EPOCHS), "--stop-after", "1", "--resume", "--checkpoint", checkpoints]):
            r = run(trainer, *action)
            if r.returncode:
                wrong.append(f"signal {number} after {delay} s, then {action[0]}: exit status {r.returncode}\n{r.stderr[-1000:]}")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
