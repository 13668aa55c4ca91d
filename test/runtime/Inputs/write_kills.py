#!/usr/bin/env python3
"""Kills a trainer inside the write of a checkpoint, at system calls chosen at random, and checks the order of these calls; needs strace.
In: the trainer, a directory, the number of kills.  Out: 0, or a message; "skipped" where strace is not there or may not trace."""
import json, os, random, re, shutil, subprocess, sys

trainer, root, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])
here = os.path.dirname(os.path.abspath(__file__))
subprocess.run([sys.executable, here + "/make_data.py", root + "/data"], check=True)
EPOCHS = 8


def command(directory, *more):
    return [trainer, "train", "--data", root + "/data", "--threads", "1", "--epochs", str(EPOCHS), "--checkpoint", f"{root}/{directory}", *more]


trace = root + "/trace"
strace = ["strace", "-f", "-qq", "-o", trace, "-e", "trace=openat,write,fsync,rename"]
if not shutil.which("strace") or subprocess.run([*strace, "true"], capture_output=True).returncode != 0:
    print("skipped: no strace")
    sys.exit(0)

# The order: open the temporary file, write, fsync it, rename it, fsync the directory.
subprocess.run([*strace, *command("order", "--stop-after", "1")], check=True, stdout=subprocess.DEVNULL)
calls, written = [], None
for line in open(trace):
    m = re.search(r'(openat|write|fsync|rename)\((.*?)\) += (\d+)', line)
    if not m:
        continue
    name, arguments, result = m.groups()
    if name == "openat" and "last.safetensors.tmp" in arguments:
        written, calls = result, ["open"]
    elif name == "openat" and "O_DIRECTORY" in arguments and calls:
        written = result
    elif name in ("write", "fsync") and written is not None and arguments.split(",")[0] == written:
        calls.append(name)
        if name == "fsync" and "rename" in calls: # the directory's: the checkpoint is done, and its number is free for other files
            written = None
    elif name == "rename" and "last.safetensors" in arguments:
        calls.append("rename")
short = [c for i, c in enumerate(calls) if i == 0 or c != calls[i - 1]]
assert short == ["open", "write", "fsync", "rename", "fsync"], short

subprocess.run(command("whole"), check=True, stdout=subprocess.DEVNULL)
whole = open(root + "/whole/last.safetensors", "rb").read()
rng, hits = random.Random(7), 0
for i in range(kills):
    more = ["--resume"] if os.path.exists(root + "/killed/last.safetensors") else []
    call, when = rng.choice([("fsync", 6), ("rename", 3), ("write", 20)])
    inject = f"inject={call}:signal=SIGKILL:when={rng.randrange(1, when + 1)}"
    r = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", inject, *command("killed", *more)], capture_output=True, text=True)
    hits += r.returncode != 0
    if os.path.exists(root + "/killed/last.safetensors"):
        check = subprocess.run([trainer, "eval", root + "/killed/last.safetensors", "--data", root + "/data"], capture_output=True, text=True)
        assert check.returncode == 0, check.stderr
        f = open(root + "/killed/last.safetensors", "rb")
        if int(json.loads(f.read(int.from_bytes(f.read(8), "little")))["__metadata__"]["epoch"]) == EPOCHS:
            assert open(root + "/killed/last.safetensors", "rb").read() == whole, "killed runs end with other bits"
            shutil.rmtree(root + "/killed")
print(f"{kills} runs, {hits} killed inside a write, no checkpoint lost")
assert hits >= kills // 2
