#!/usr/bin/env python3
"""Compares the logits and gradients of a network made of tiles, and of one without, with those in f64: tiles round no worse than a bound says.
In: trainers of Inputs/shapes.cnn: F64 TILES OTHER BOUND.  Out: a line a tensor; exit status 1 where the error of tiles passes BOUND times that of
the other, where the trainers are equal in every bit (then one of them is not what it is called), or where threads change a bit of the tiles'
trainer."""
import math
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "numeric"))
import tensors
from check_golden import probe

BATCH = 21
SHAPES = {"x": [BATCH, 32, 13, 11], "conv1.weight": [48, 32, 5, 5], "conv2.weight": [32, 48, 3, 3], "conv3.weight": [20, 32, 1, 1],
          "conv4.weight": [64, 20, 2, 3], "conv5.weight": [32, 64, 1, 1], "conv6.weight": [32, 32, 3, 3], "dense1.weight": [96, 32 * 4 * 3],
          "dense2.weight": [10, 96]}


def rms(a, b):
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)) / len(a))


def drawn():
    """What the trainers of Inputs/shapes.cnn take."""
    given = {}
    for name, shape in SHAPES.items():
        spread = 1.5 if name == "x" else math.sqrt(6 / math.prod(shape[1:]))
        given[name] = tensors.draw("amx_shapes", name, shape, -spread, spread)
    given["y"] = tensors.draw_labels("amx_shapes", BATCH, 10)
    return given


def main():
    exact, tiles, other, bound = sys.argv[1:]
    given = drawn()
    with tempfile.TemporaryDirectory() as folder:
        def run(trainer, precision, threads="2"):
            return probe(trainer, given, "train", precision, folder, "--threads", threads)
        f64, tile, plain = run(exact, "f64"), run(tiles, "f32"), run(other, "f32")
        others = [run(tiles, "f32", threads) for threads in ("1", "3")]
    failed, equal = 0, True
    for name in sorted(f64):
        if not name.startswith("grad.") and name != "logits":
            continue
        largest = max(map(abs, f64[name].values))
        errors = [rms(f64[name].values, other[name].values) / largest for other in (plain, tile)]
        print(f"{name}: {errors[0]:.2e} of the largest value without tiles, {errors[1]:.2e} with them, {errors[1] / errors[0]:.2f} times")
        failed |= not errors[1] <= float(bound) * errors[0]
        equal &= tile[name].values == plain[name].values
        if any(again[name].values != tile[name].values for again in others):
            print(f"{name}: differs with the number of threads")
            failed = 1
    if equal:
        print("the trainers give the same bits: one of the trainers is not what it is called")
    return failed or equal


if __name__ == "__main__":
    sys.exit(main())
