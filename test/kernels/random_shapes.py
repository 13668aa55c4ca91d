#!/usr/bin/env python3
"""Draws shapes of layers and compares our kernels with upstream's plain loops, for several processors and both precisions.

  test/kernels/random_shapes.py CNNC CNN_OPT [--count 300] [--seed 1] [--wide] [--mcpu x86-64-v3,x86-64-v4] [--keep FOLDER]
  test/kernels/random_shapes.py CNNC CNN_OPT --file NETWORK.cnn

A network holds a few drawn arms side by side behind a 1x1 convolution, so that one step runs each arm's forward form and both its gradients:
strides, dilations, all kinds of padding, groups, 1x1 to 5x5, odd sides, 1, 3 and prime channels, depthwise, pools, dense layers.  The reference
(naive.py) computes in f64 from the same numbers, which f32 holds exactly.
Out: a line for each network that differs, its text, and a count of shapes; exit status 1 if any differs.  A seed makes a run repeatable."""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "numeric"))
import tensors
from naive import NaiveStep
from tensors import Tensor, count

RATE = 0.1
# Of the largest value of a tensor: sums of up to some ten thousand terms of either sign, in another order (f64), and with f32's rounding.
BOUND = {"f64": 1e-11, "f32": 5e-5}
# Gradients that cancel: of the largest gradient of the network, below which a tensor is not measured by its own largest value.
FLOOR = 1e-3
FEATURES = {"x86-64-v2": {"sse4_2"}, "x86-64-v3": {"avx2", "fma"}, "x86-64-v4": {"avx512f", "avx512bw", "avx512vl"}}
CHANNELS = (1, 2, 3, 4, 5, 7, 8, 11, 13, 16, 17, 20, 24, 31, 32, 37, 48, 61, 64, 67, 100)
MANY_CHANNELS = (96, 127, 128, 131, 160, 192, 256, 320, 384, 509, 512, 768, 1024)
MOST_PRODUCTS = 4e7  # of an arm, that the plain loops take seconds


def window(r, H, W, wide):
    """-> kernel, stride, pad, dilation that fit the map"""
    while True:
        K = r.choice(((1, 1), (3, 3), (3, 3), (5, 5), (2, 2), (r.randint(1, 5), r.randint(1, 5))))
        S = r.choice(((1, 1), (1, 1), (2, 2), (3, 3), (r.randint(1, 3), r.randint(1, 3))))
        D = r.choice(((1, 1), (1, 1), (2, 2), (r.randint(1, 3), r.randint(1, 3)))) if wide else (1, 1)
        P = r.choice(((0, 0, 0, 0), (K[0] // 2, K[1] // 2) * 2, tuple(r.randint(0, 3) for _ in range(4)), "same", "wide"))
        if not wide:
            P = tuple(min(p, k // 2) for p, k in zip((r.randint(0, 2), r.randint(0, 2)), K)) * 2
        if isinstance(P, str):
            return K, S, P, D
        if all(w + P[a] + P[a + 2] >= D[a] * (K[a] - 1) + 1 for a, w in enumerate((H, W))):
            return K, S, list(P), D


def text_of(K, S, P, D):
    pad = P if isinstance(P, str) else str(P)
    return f"{K[0]}x{K[1]}, stride={S[0]}x{S[1]}, pad={pad}, dilation={D[0]}x{D[1]}"


def arm(r, C, H, W):
    kind = r.choice(("conv",) * 6 + ("depthwise", "depthwise", "maxpool", "avgpool", "dense"))
    if kind == "conv":
        G = r.choice([1, 1, 1] + [g for g in range(2, C + 1) if C % g == 0][:3])
        O = G * max(1, r.choice(CHANNELS) // G)
        return f"conv({O}, {text_of(*window(r, H, W, True))}, groups={G}, bias={r.choice(('true', 'false'))})"
    if kind == "depthwise":
        return f"depthwise({text_of(*window(r, H, W, True))}, multiplier={r.choice((1, 1, 2, 3))})"
    if kind == "dense":
        return f"dense({r.choice((1, 3, 17, 64, 101))})"
    K, S, P, _ = window(r, H, W, False)
    more = "" if kind == "maxpool" else f", count_pad={r.choice(('true', 'false'))}"
    return f"{kind}({K[0]}x{K[1]}, stride={S[0]}x{S[1]}, pad=[{P[0]}, {P[1]}, {P[0]}, {P[1]}]{more})"


def wide_arm(r, N, C, H, W):
    while True:
        K, S, P, D = window(r, H, W, True)
        O = r.choice(MANY_CHANNELS + CHANNELS)
        if N * C * O * K[0] * K[1] * -(-H // S[0]) * -(-W // S[1]) <= MOST_PRODUCTS:
            return f"conv({O}, {text_of(K, S, P, D)}, bias={r.choice(('true', 'false'))})"


def wide_network(r):
    """-> text, arms: many channels, small maps"""
    while True:
        N, C, H, W = r.choice((1, 2, 3, 4, 8, 9)), r.choice(MANY_CHANNELS), r.randint(1, 16), r.randint(1, 16)
        if N * C * H * W <= 200000:
            break
    return of_arms(r, N, C, H, W, [wide_arm(r, N, C, H, W) for _ in range(r.randint(1, 3))])


def network(r):
    """-> text, arms"""
    while True:
        N, C, H, W = r.choice((1, 2, 3, 4, 7, 8, 9)), r.choice(CHANNELS), r.randint(1, 20), r.randint(1, 20)
        if r.random() < 0.15:
            H, W = r.randint(21, 40), r.randint(21, 40)
        if N * C * H * W <= 40000:
            break
    return of_arms(r, N, C, H, W, [arm(r, C, H, W) for _ in range(r.randint(2, 5))])


def of_arms(r, N, C, H, W, arms):
    lines = "\n".join(f"    {{ {a} -> dense(3) }}" for a in arms)
    return (f"network n {{\n  input({r.choice((1, 2, 3))}, {H}, {W})\n  conv({C}, 1x1)\n  branch concat {{\n{lines}\n  }}\n  dense({r.choice((2, 5, 10))}) -> softmax\n}}\n"
            f"train {{ batch = {N}  optimizer = sgd(lr={RATE}) }}\n"), arms


def single(v):
    return tensors.array.array("f", [v])[0]


def inputs(info, seed):
    given = {"x": tensors.draw(seed, "x", [info["batch"]] + info["input"], -1, 1), "y": tensors.draw_labels(seed, info["batch"], info["classes"])}
    for p in info["parameters"]:
        fan = max(1, count(p["shape"][1:]))
        given[p["name"]] = tensors.draw(seed, p["name"], p["shape"], -(3 / fan) ** 0.5, (3 / fan) ** 0.5)
    return {n: t if n == "y" else Tensor(t.shape, [single(v) for v in t.values]) for n, t in given.items()}


def differences(want, have, precision):
    """-> complaints"""
    complaints = []
    largest_gradient = max(abs(v) for n, values in want.items() if n.startswith("grad.") for v in values)
    for name, values in want.items():
        got = have[name].values
        if len(got) != len(values):
            complaints.append(f"{name}: {len(got)} values in place of {len(values)}")
            continue
        scale = max(map(abs, values))
        if name.startswith("grad."):
            scale = max(scale, FLOOR * largest_gradient)
        worst = max(abs(a - b) if a == a else float("inf") for a, b in zip(got, values))
        if worst > BOUND[precision] * scale:
            complaints.append(f"{name}: differs by {worst:.2e}, largest value {scale:.2e}")
    return complaints


def check(a, mcpus, text, seed, folder):
    source, trainer, given_path, out = (os.path.join(folder, n) for n in ("n.cnn", "n", "in.st", "out.st"))
    with open(source, "w") as f:
        f.write(text)
    naive, given, want, complaints = NaiveStep(a.cnnc, a.cnn_opt, source, folder), None, None, []
    for precision in ("f64", "f32"):
        for mcpu in mcpus:
            r = subprocess.run([a.cnnc, source, "-Wnone", "--precision", precision, "--mcpu", mcpu, "-o", trainer], capture_output=True, text=True)
            if r.returncode:
                complaints.append(f"cnnc --precision {precision} --mcpu {mcpu}: {r.stderr[-800:]}")
                continue
            if given is None:
                info = tensors.json.loads(subprocess.run([trainer, "info", "--json"], check=True, capture_output=True, text=True).stdout)
                given = inputs(info, seed)
                want = naive(given, RATE)
            tensors.write(given_path, given, dtype=precision.upper())
            r = subprocess.run([trainer, "probe", "--in", given_path, "--out", out], capture_output=True, text=True)
            if r.returncode:
                complaints.append(f"probe {precision} {mcpu}: {r.returncode} {r.stderr[-800:]}")
                continue
            complaints += [f"{precision} {mcpu} {c}" for c in differences(want, tensors.read(out)[0], precision)]
    return complaints


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("cnnc")
    p.add_argument("cnn_opt")
    p.add_argument("--count", type=int, default=300, help="shapes at least")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--mcpu", default="x86-64-v3,x86-64-v4")
    p.add_argument("--wide", action="store_true", help="convolutions of many channels on small maps")
    p.add_argument("--file", help="this network in place of drawn ones; its optimizer is sgd(lr=0.1), and it has no dropout: the plain loops get other random numbers")
    p.add_argument("--keep", help="folder in which the networks that differ stay")
    a = p.parse_args()
    with open("/proc/cpuinfo") as f:
        has = set(next(line for line in f if line.startswith("flags")).split())
    mcpus = [m for m in a.mcpu.split(",") if FEATURES.get(m, set()) <= has]
    if not mcpus:
        sys.exit(f"this processor is none of {a.mcpu}")
    if a.file:
        with open(a.file) as f, tempfile.TemporaryDirectory() as folder:
            complaints = check(a, mcpus, f.read(), a.seed, folder)
        print("\n".join(complaints) + f"{a.file} for {', '.join(mcpus)}: {len(complaints)} tensors differ")
        return 1 if complaints else 0
    shapes = number = wrong = 0
    while shapes < a.count:
        text, arms = (wide_network if a.wide else network)(random.Random(f"{a.seed}/{number}"))
        with tempfile.TemporaryDirectory() as folder:
            complaints = check(a, mcpus, text, f"{a.seed}/{number}", folder)
            if complaints:
                wrong += 1
                print(f"network {number}\n{text}" + "\n".join(complaints) + "\n", flush=True)
                if a.keep:
                    os.makedirs(a.keep, exist_ok=True)
                    shutil.copy(os.path.join(folder, "n.cnn"), os.path.join(a.keep, f"{a.seed}-{number}.cnn"))
        shapes, number = shapes + len(arms), number + 1
    print(f"{shapes} shapes in {number} networks for {', '.join(mcpus)}: {wrong} networks differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
