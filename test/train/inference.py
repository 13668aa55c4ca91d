"""Compares a trainer and the program of --inference of the same network on one checkpoint.
In: TRAINER, PROGRAM, CHECKPOINT, DATA.  Out: exit status 0 where losses, accuracies and probabilities agree and the program is small."""
import json
import os
import subprocess
import sys

# Folding changes the order of rounding of f32: errors of a few 1e-7 a layer.
BOUND = 2e-5
LARGEST = 1_760_000  # bytes, the weights not among them


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


trainer, program, checkpoint, data = sys.argv[1:]
a, b = (json.loads(run(p, "eval", checkpoint, "--data", data, "--json")) for p in (trainer, program))
assert abs(a["loss"] - b["loss"]) < BOUND and a["confusion"] == b["confusion"], (a["loss"], b["loss"])
a, b = (json.loads(run(p, "predict", checkpoint, os.path.join(data, "one.png"), "--format", "json")) for p in (trainer, program))
for x, y in zip(a["classes"], b["classes"]):
    assert x["class"] == y["class"] and abs(x["probability"] - y["probability"]) < BOUND, (x, y)
size = os.path.getsize(program)
assert size < LARGEST, f"{size} bytes"
assert json.loads(run(program, "bench", "--seconds", "0", "--json"))["what"] == "infer"
print(f"{size} bytes, losses differ by {abs(a['classes'][0]['probability'] - b['classes'][0]['probability']):.1g}")
