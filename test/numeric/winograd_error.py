#!/usr/bin/env python3
"""Measures what Winograd's form costs in rounding: the gradients of a network in f32, in that form and by definition, against f64.
In: trainers of one network: F64 F32_WINOGRAD F32_DIRECT.  Out: a line a tensor; exit status 1 where the form's error passes 4 times the other's."""
import math
import sys
import tempfile

import tensors
from check_golden import probe

BOUND = 4.0
BATCH = 8
# Tensors of Inputs/winograd_error.cnn: shape, and the half width of a uniform distribution (He's, for the weights).
GIVEN = {"x": ([BATCH, 16, 13, 13], 1.5), "conv1.weight": ([32, 16, 3, 3], 0.2), "conv2.weight": ([64, 32, 3, 3], 0.14),
         "conv3.weight": ([32, 64, 5, 5], 0.06), "conv4.weight": ([64, 32, 3, 3], 0.14), "dense1.weight": ([10, 64], 0.3), "dense1.bias": ([10], 0.1)}


def rms(a, b):
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)) / len(a))


def main():
    exact, form, direct = sys.argv[1:4]
    with tempfile.TemporaryDirectory() as folder:
        given = {name: tensors.draw("winograd_error", name, shape, -spread, spread) for name, (shape, spread) in GIVEN.items()}
        given["y"] = tensors.draw_labels("winograd_error", BATCH, 10)
        got = [probe(trainer, given, "train", precision, folder) for trainer, precision in ((exact, "f64"), (form, "f32"), (direct, "f32"))]
    failed = 0
    for name in sorted(got[0]):
        if not name.startswith("grad.conv") and name != "logits":
            continue
        largest = max(map(abs, got[0][name].values))
        errors = [rms(got[0][name].values, other[name].values) / largest for other in got[1:]]
        differ = got[1][name].values != got[2][name].values
        ratio = errors[0] / errors[1]
        print(f"{name}: by definition {errors[1]:.2e} of the largest value, Winograd's form {errors[0]:.2e}, {ratio:.2f} times")
        failed |= ratio > BOUND or not differ
    return failed


if __name__ == "__main__":
    sys.exit(main())
