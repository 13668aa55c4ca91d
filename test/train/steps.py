#!/usr/bin/env python3
"""Follows a whole training of softmax regression in plain Python: batches, normalisation, schedules, step counts, states.
In: CNNC, a SOURCE without train block, DATA of as many samples as the batch, a FOLDER to work in.
Out: exit status 1 and what differs. With one batch an epoch the order of the samples does not matter.

Sums of 13 samples in another order round differently, and 12 steps add that up: 1e-12 of the largest value is far above it."""
import gzip
import math
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "numeric"))
import tensors

EPOCHS, CLASSES, BOUND = 12, 3, 1e-12
MEAN, STD = 0.25, 0.5


def data(folder):
    with gzip.open(os.path.join(folder, "train-images-idx3-ubyte.gz")) as f:
        pixels = f.read()[16:]
    with gzip.open(os.path.join(folder, "train-labels-idx1-ubyte.gz")) as f:
        labels = f.read()[8:]
    size = len(pixels) // len(labels)
    return [([(v / 255 - MEAN) / STD for v in pixels[i * size : (i + 1) * size]], k) for i, k in enumerate(labels)]


def trained(cnnc, text, folder, base):
    """Compiles the program and trains it. -> the weights, then the biases of dense1"""
    with open(base + ".cnn", "w") as f:
        f.write(text)
    subprocess.run([cnnc, base + ".cnn", "-o", base], check=True)
    subprocess.run([base, "train", "--data", folder, "--checkpoint", base + ".checkpoint"], check=True, stdout=subprocess.DEVNULL)
    got, _ = tensors.read(os.path.join(base + ".checkpoint", "last.safetensors"))
    return got["dense1.weight"].values + got["dense1.bias"].values


def gradient(W, b, samples):
    dW, db = [[0.0] * len(W[0]) for _ in W], [0.0] * len(b)
    for x, y in samples:
        logits = [sum(w * v for w, v in zip(row, x)) + c for row, c in zip(W, b)]
        top = max(logits)
        exps = [math.exp(l - top) for l in logits]
        for k, e in enumerate(exps):
            g = (e / sum(exps) - (k == y)) / len(samples)
            db[k] += g
            dW[k] = [d + g * v for d, v in zip(dW[k], x)]
    return [d for row in dW for d in row] + db


class Sgd:
    text, lr = "sgd(lr=0.5, momentum=0.9, nesterov=true, weight_decay=0.01)", 0.5

    def __init__(self, n):
        self.v = [0.0] * n

    def step(self, i, p, g, lr, t):
        g += 0.01 * p
        self.v[i] = 0.9 * self.v[i] + g
        return p - lr * (g + 0.9 * self.v[i])


class Adam:
    text, lr = "adam(lr=0.1)", 0.1

    def __init__(self, n):
        self.m, self.v = [0.0] * n, [0.0] * n

    def step(self, i, p, g, lr, t):
        self.m[i] = 0.9 * self.m[i] + 0.1 * g
        self.v[i] = 0.999 * self.v[i] + 0.001 * g * g
        return p - lr * (self.m[i] / (1 - 0.9**t)) / (math.sqrt(self.v[i] / (1 - 0.999**t)) + 1e-8)


class Rmsprop:
    text, lr = "rmsprop(lr=0.05, alpha=0.9, momentum=0.5)", 0.05

    def __init__(self, n):
        self.s, self.v = [0.0] * n, [0.0] * n

    def step(self, i, p, g, lr, t):
        self.s[i] = 0.9 * self.s[i] + 0.1 * g * g
        self.v[i] = 0.5 * self.v[i] + g / (math.sqrt(self.s[i]) + 1e-8)
        return p - lr * self.v[i]


class Heavy:
    """An optimiser of the file's own."""
    text, lr = "heavy(lr=0.3)", 0.3

    def __init__(self, n):
        self.v = [0.0] * n

    def step(self, i, p, g, lr, t):
        self.v[i] = 0.8 * self.v[i] + g / math.sqrt(t)
        return p - lr * self.v[i]


DEFINITIONS = """schedule halving(every) = pow(0.5, epoch / every)
optimizer heavy(lr, mu=0.8) {
  state v = 0
  v = mu * v + grad / sqrt(step)
  param = param - lr * v
}
"""
SCHEDULES = {
    "halving(6)": lambda e: 0.5 ** (e / 6),
    "constant": lambda e: 1.0,
    "cosine(warmup=3, floor=0.1)": lambda e: e / 3 if e < 3 else 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (e - 3) / (EPOCHS - 3))),
    "step(4, gamma=0.5)": lambda e: 0.5 ** (e // 4),
    "exponential(0.8)": lambda e: 0.8**e,
    "polynomial(2)": lambda e: (1 - e / EPOCHS) ** 2,
}
RUNS = [(Sgd, "constant"), (Adam, "constant"), (Rmsprop, "constant"), (Sgd, "cosine(warmup=3, floor=0.1)"), (Adam, "step(4, gamma=0.5)"),
        (Sgd, "exponential(0.8)"), (Sgd, "polynomial(2)"), (Heavy, "halving(6)")]


def follow(optimizer, schedule, samples):
    n = len(samples[0][0])
    p, state = [0.0] * (CLASSES * n + CLASSES), optimizer(CLASSES * n + CLASSES)
    for epoch in range(EPOCHS):
        W, b = [p[k * n : (k + 1) * n] for k in range(CLASSES)], p[CLASSES * n :]
        g = gradient(W, b, samples)
        lr = optimizer.lr * SCHEDULES[schedule](epoch)
        p = [state.step(i, p[i], g[i], lr, epoch + 1) for i in range(len(p))]
    return p


def main():
    cnnc, source, folder, out = sys.argv[1:]
    samples, wrong = data(folder), []
    with open(source) as f:
        text = f.read()
    os.makedirs(out, exist_ok=True)
    for number, (optimizer, schedule) in enumerate(RUNS):
        train = f"train {{ epochs = {EPOCHS}  batch = {len(samples)}  precision = f64  optimizer = {optimizer.text}  schedule = {schedule} }}\n"
        have = trained(cnnc, DEFINITIONS + text + train, folder, os.path.join(out, f"run{number}"))
        want = follow(optimizer, schedule, samples)
        difference, largest = max(abs(a - b) for a, b in zip(want, have)), max(map(abs, want))
        print(f"{optimizer.text} {schedule}: {difference / largest:.2g}")
        if not difference <= BOUND * largest:
            wrong.append(f"{optimizer.text} with {schedule} differs by {difference:.3g} of {largest:.3g} after {EPOCHS} steps")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
