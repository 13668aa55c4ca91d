#!/usr/bin/env python3
"""Compiles a network of examples/, probes one training step on noise and benchmarks some more.
In: CNNC, EXAMPLES, a FOLDER to work in, NAME, CxHxW, then what cnnc gets.  Out: the loss and the milliseconds; exit status 1 unless finite."""
import json
import math
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "numeric"))
import tensors


def main():
    cnnc, examples, folder, name, shape, *options = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    trainer = os.path.join(folder, name)
    subprocess.run([cnnc, os.path.join(examples, name + ".cnn"), "-Wnone", *options, "-o", trainer], check=True)
    sides = [int(options[options.index("--batch") + 1])] + [int(s) for s in shape.split("x")]
    numbers = random.Random(name)
    x = tensors.Tensor(sides, [numbers.gauss(0, 1) for _ in range(math.prod(sides))])
    tensors.write(trainer + ".in", {"x": x, "y": tensors.Tensor([sides[0]], [n % 10 for n in range(sides[0])])}, dtype="F32")
    subprocess.run([trainer, "probe", "--in", trainer + ".in", "--out", trainer + ".out", "--mode", "train"], check=True)
    loss = tensors.read(trainer + ".out")[0]["loss"].values[0]
    r = subprocess.run([trainer, "bench", "--seconds", "0.3", "--json"], check=True, capture_output=True, text=True)
    bench = json.loads(r.stdout)
    print(f"{name}: loss {loss:.4g}, {bench['ms']} ms a step, {bench['steps']} steps")
    return 0 if math.isfinite(loss) and 0 < loss < 100 and bench["steps"] >= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
