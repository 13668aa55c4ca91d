#!/usr/bin/env python3
"""Compares a trainer's gradients with differences of its own loss, in f64.
In: CASE.cnn (beside it CASE.golden, for shapes and values alone), TRAINER.
Out: the worst parameter; exit status 1 and every parameter whose gradient is wrong.

For each parameter p and a direction d of random signs: (loss(p + e d) - loss(p - e d)) / 2e  against  <grad.p, d>.
The derivative by the input of a layer shows in the parameters of the layers before it."""
import argparse
import math
import random
import sys
import tempfile

import tensors
from check_golden import golden, probe

# The formula's error is e^2/6 of the third derivative, about 1e-12, and rounding of the loss gives 1e-15/e, about 1e-9.
STEP = 1e-6
RELATIVE = 1e-5
ABSOLUTE = 2e-8
# A bend (relu, maxpool) within a step of a sample's value spoils a direction, by chance: a true mistake spoils all of them.
ATTEMPTS = 3


def moved(tensor, direction, step):
    return tensors.Tensor(tensor.shape, [v + step * d for v, d in zip(tensor.values, direction)])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("case")
    p.add_argument("trainer")
    a = p.parse_args()
    case, recipe, _, _ = golden(a.case)
    given = tensors.inputs(case, recipe, recipe["batch"])
    wrong, worst, directions = [], (0.0, "-"), random.Random(case)
    with tempfile.TemporaryDirectory() as folder:
        def step(tensors_given):
            return probe(a.trainer, tensors_given, "train", "f64", folder)

        gradients = step(given)
        for name, t in recipe["tensors"].items():
            if t["kind"].startswith("running"):
                continue
            gradient = gradients[f"grad.{name}"].values
            # What <grad, d> is on the average; it may itself be near 0 by chance.
            length = math.sqrt(math.fsum(g * g for g in gradient))
            bound = RELATIVE * length + ABSOLUTE
            for _ in range(ATTEMPTS):
                d = [directions.choice((-1.0, 1.0)) for _ in gradient]
                above, below = (step({**given, name: moved(given[name], d, e)})["loss"].values[0] for e in (STEP, -STEP))
                numeric, exact = (above - below) / (2 * STEP), math.fsum(g * v for g, v in zip(gradient, d))
                if abs(numeric - exact) <= bound:
                    break
            else:
                wrong.append(f"{name}: the gradient gives {exact:.10g}, differences of the loss {numeric:.10g}, the bound is {bound:.2g}")
            worst = max(worst, (abs(numeric - exact) / bound, name))
    print(f"{case}: worst {worst[1]}, {worst[0]:.2g} of its bound")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
