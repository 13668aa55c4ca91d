#!/usr/bin/env python3
"""Optimisers that measure whole tensors, followed for a hundred steps in plain Python: LAMB, LARS and one of the file's own.
In: CNNC, the SOURCE (softmax regression from zeros), DATA of as many samples as the batch, a FOLDER to work in.
Out: exit status 1 and what differs. The weights are one tensor, the biases another; both begin at zero, where the ratio is 1."""
import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from steps import CLASSES, data, gradient, trained

STEPS = 100
BOUND = 1e-10  # of the largest value: a hundred steps add up what another order of 13 samples and 18 weights rounds, about 1e-14 a step
CLIP = 0.05


def norm(values):
    return math.sqrt(sum(v * v for v in values))


def scale(tensor, factor):
    return [factor * v for v in tensor]


class Lamb:
    """You et al. 2020, algorithm 2, phi the identity; Adam's step for a tensor or a direction that is all zero."""

    def __init__(self, n, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0.01):
        self.m, self.v = [0.0] * n, [0.0] * n
        self.lr, self.beta1, self.beta2, self.eps, self.decay = lr, beta1, beta2, eps, weight_decay

    def step(self, x, g, t):
        self.m = [self.beta1 * m + (1 - self.beta1) * d for m, d in zip(self.m, g)]
        self.v = [self.beta2 * v + (1 - self.beta2) * d * d for v, d in zip(self.v, g)]
        r = [m / (1 - self.beta1**t) / (math.sqrt(v / (1 - self.beta2**t)) + self.eps) + self.decay * w for m, v, w in zip(self.m, self.v, x)]
        ratio = norm(x) / norm(r) if norm(x) > 0 and norm(r) > 0 else 1.0
        return [w - self.lr * ratio * d for w, d in zip(x, r)]


class Lars:
    """You, Gitman and Ginsburg 2017, algorithm 1; the rate itself for a tensor or a gradient that is all zero."""

    def __init__(self, n, lr=0.5, momentum=0.9, weight_decay=0.0, trust=0.001):
        self.v = [0.0] * n
        self.lr, self.momentum, self.decay, self.trust = lr, momentum, weight_decay, trust

    def step(self, x, g, t):
        ratio = self.trust * norm(x) / (norm(g) + self.decay * norm(x)) if norm(x) > 0 and norm(g) > 0 else 1.0
        self.v = [self.momentum * v + self.lr * ratio * (d + self.decay * w) for v, d, w in zip(self.v, g, x)]
        return [w - v for w, v in zip(x, self.v)]


class Unit:
    """Of the file's own: a gradient of length 1, shortened where the step would be longer than the tensor; a norm made of norms."""
    definition = """optimizer unit(lr) {
  direction = grad / max(norm(grad), 1e-12)
  length = norm(param)
  step_length = norm(lr * direction + 0.1 * length * sign(grad))
  param = param - lr * direction / (1 + step_length) * (1 + norm(1))
}
"""

    def __init__(self, n, lr=0.1):
        self.lr = lr

    def step(self, x, g, t):
        r = scale(g, 1 / max(norm(g), 1e-12))
        length = norm([self.lr * d + 0.1 * norm(x) * ((s > 0) - (s < 0)) for d, s in zip(r, g)])
        return [w - self.lr * d / (1 + length) * (1 + math.sqrt(len(x))) for w, d in zip(x, r)]


RUNS = [  # the language's words, the optimiser of the weights, that of the biases where it is another, whether the gradients are clipped
    ("optimizer = lamb(lr=0.01)", Lamb, {}, None, False),
    ("optimizer = lamb(lr=0.02, beta1=0.8, beta2=0.95, eps=1e-4, weight_decay=0.3)  no_decay = [bias]", Lamb,
     dict(lr=0.02, beta1=0.8, beta2=0.95, eps=1e-4, weight_decay=0.3), dict(weight_decay=0.0), False),
    (f"optimizer = lamb(lr=0.02)  clip = norm({CLIP})", Lamb, dict(lr=0.02), None, True),
    ("optimizer = lars(lr=0.5, trust=0.005)", Lars, dict(trust=0.005), None, False),
    ("optimizer = lars(lr=0.5, momentum=0.5, weight_decay=0.2, trust=0.02)  no_decay = [bias]", Lars,
     dict(momentum=0.5, weight_decay=0.2, trust=0.02), dict(weight_decay=0.0), False),
    (f"optimizer = lars(lr=0.5, trust=0.005)  clip = norm({CLIP})", Lars, dict(trust=0.005), None, True),
    ("optimizer = unit(lr=0.1)", Unit, {}, None, False),
]


def follow(make, arguments, of_biases, clipped, samples):
    n = len(samples[0][0])
    tensors = [[0.0] * (CLASSES * n), [0.0] * CLASSES]
    optimizers = [make(CLASSES * n, **arguments), make(CLASSES, **{**arguments, **(of_biases or {})})]
    for t in range(1, STEPS + 1):
        weights = [tensors[0][k * n : (k + 1) * n] for k in range(CLASSES)]
        g = gradient(weights, tensors[1], samples)
        if clipped:
            g = scale(g, min(1.0, CLIP / (norm(g) + 1e-6)))  # PyTorch's clip_grad_norm_
        tensors = [o.step(x, d, t) for o, x, d in zip(optimizers, tensors, (g[: CLASSES * n], g[CLASSES * n :]))]
    return tensors[0] + tensors[1]


def main():
    cnnc, source, folder, out = sys.argv[1:]
    samples, wrong = data(folder), []
    with open(source) as f:
        text = f.read()
    os.makedirs(out, exist_ok=True)
    for number, (words, make, arguments, of_biases, clipped) in enumerate(RUNS):
        train = f"train {{ epochs = {STEPS}  batch = {len(samples)}  precision = f64  {words} }}\n"
        have = trained(cnnc, getattr(make, "definition", "") + text + train, folder, os.path.join(out, f"run{number}"))
        want = follow(make, arguments, of_biases, clipped, samples)
        difference, largest = max(abs(a - b) for a, b in zip(want, have, strict=True)), max(map(abs, want))
        print(f"{words}: {difference / largest:.2g}")
        if not difference <= BOUND * largest:
            wrong.append(f"{words} differs by {difference:.3g} of {largest:.3g} after {STEPS} steps")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
