"""Evaluates a checkpoint with each level of a program.
In: PROGRAM CHECKPOINT DATA LEVEL...  Out: exit status 0 where losses agree to f32's rounding and confusions are equal."""
import json
import os
import subprocess
import sys

program, checkpoint, data, *levels = sys.argv[1:]
BOUND = 2e-5  # a few 1e-7 a layer

results = [json.loads(subprocess.run([program, "eval", checkpoint, "--data", data, "--json"], check=True, capture_output=True, text=True,
                                     env={**os.environ, "CNN_LEVEL": level}).stdout) for level in levels]
for other in results[1:]:
    assert abs(results[0]["loss"] - other["loss"]) < BOUND and results[0]["confusion"] == other["confusion"], [r["loss"] for r in results]
