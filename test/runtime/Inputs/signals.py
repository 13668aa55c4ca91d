#!/usr/bin/env python3
"""Interrupts and kills trainers, and compares what is left with a run that nobody disturbed.
In: the trainer, a directory, optionally the number of kills.  Out: 0, or a message."""
import json, os, random, signal, subprocess, sys, time

trainer, root = sys.argv[1:3]
kills = int(sys.argv[3]) if len(sys.argv) > 3 else 10
here = os.path.dirname(os.path.abspath(__file__))
subprocess.run([sys.executable, here + "/make_data.py", root + "/data"], check=True)
epochs = 400


def command(directory, *more):
    return [trainer, "train", "--data", root + "/data", "--epochs", str(epochs), "--checkpoint", f"{root}/{directory}", "--json", *more]


def epoch_of(directory):
    f = open(f"{root}/{directory}/last.safetensors", "rb")
    header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
    return int(header["__metadata__"]["epoch"])


def start(directory, *more):
    return subprocess.Popen(command(directory, *more), stdout=subprocess.PIPE, text=True)


subprocess.run(command("whole"), check=True, stdout=subprocess.DEVNULL)
whole = open(root + "/whole/last.safetensors", "rb").read()
rng = random.Random(5)

for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
    p = start("signal", *(["--resume"] if number == signal.SIGTERM else []))
    for line in p.stdout:
        if '"event":"epoch"' in line:
            break
    clash = subprocess.run(command("signal"), capture_output=True, text=True)
    assert clash.returncode == 5 and "another trainer" in clash.stderr, clash
    p.send_signal(number)
    rest = p.stdout.read()
    assert p.wait() == status, (p.returncode, rest)
    assert "resume with: train --resume" in rest, rest
subprocess.run(command("signal", "--resume"), check=True, stdout=subprocess.DEVNULL)
assert open(root + "/signal/last.safetensors", "rb").read() == whole, "interrupted runs end with other bits"

more, announced = [], 0
for i in range(kills):
    p = start("killed", *more)
    time.sleep(rng.random() * 0.1)
    p.kill()
    lines = p.stdout.read().splitlines()
    p.wait()
    for line in lines:
        try:
            announced = max(announced, json.loads(line).get("epoch", 0))
        except json.JSONDecodeError:
            pass  # the line that the kill cut
    if os.path.exists(root + "/killed/last.safetensors"):
        more = ["--resume"]
        assert epoch_of("killed") >= announced, f"epoch {announced} was announced and is lost"
subprocess.run(command("killed", *more), check=True, stdout=subprocess.DEVNULL)
assert open(root + "/killed/last.safetensors", "rb").read() == whole, "killed runs end with other bits"
