#!/usr/bin/env python3
"""Draws networks and compares each with PyTorch in f64: one training step and one evaluation.
In: CNNC, [--count N] [--seed N] [--keep FOLDER].  Needs torch; not part of the suite.
Out: for each network that differs its text and what differs; exit status 1 if there is one. The seed makes a run repeatable."""
import argparse
import os
import random
import subprocess
import sys
import tempfile

import torch

import make_golden
import tensors
from cases import Case
from check_golden import compare, probe, shapes, F64_BOUND, SMALL
from networks import (Net, act, avgpool, batchnorm, branch, conv, dense, depthwise, gate, global_avgpool, global_maxpool, maxpool, pads, relu,
                      residual)

SMOOTH = ("tanh", "gelu", "silu", "sigmoid", "softplus", "elu", "mish", "relu", "leaky_relu", "hardswish")


def side(r):
    return r.choice((1, 2, 3, 5, 7, 8, 9, 11, 13, 16, 17))


def draw_window(r, H, W):
    """-> kernel, stride, pad, dilation that fit"""
    for _ in range(20):
        K = (r.randint(1, 5), r.randint(1, 5)) if r.random() < 0.4 else (r.choice((1, 2, 3, 3, 3, 5)),) * 2
        S = (r.randint(1, 3), r.randint(1, 3)) if r.random() < 0.3 else (r.choice((1, 1, 1, 2, 2, 3)),) * 2
        D = (1, 1) if r.random() < 0.7 else (r.randint(1, 3), r.randint(1, 3))
        P = r.choice(("same", "narrow", "wide", 0, 1, 2, (r.randint(0, 2), r.randint(0, 2)), [r.randint(0, 2) for _ in range(4)]))
        padding = pads(P, (H, W), K, S, D)
        if all(w + sum(p) >= d * (k - 1) + 1 for w, p, k, d in zip((H, W), padding, K, D)):
            return K, S, P, D
    return (1, 1), (1, 1), 0, (1, 1)


def draw_layer(r, shape, depth):
    N, C, H, W = shape
    kind = r.choice(("conv", "conv", "conv", "depthwise", "pool", "batchnorm", "act", "act", "residual", "branch", "gate"))
    if kind == "conv":
        K, S, P, D = draw_window(r, H, W)
        G = r.choice([g for g in range(1, C + 1) if C % g == 0][:3])
        return conv(G * r.randint(1, max(1, r.choice((8, 8, 24, 40)) // G)), K, S=S, P=P, D=D, G=G, bias=r.random() < 0.6)
    if kind == "depthwise":
        K, S, P, D = draw_window(r, H, W)
        return depthwise(K, S=S, P=P, D=D, multiplier=r.choice((1, 1, 2, 3)) if C < 20 else 1, bias=r.random() < 0.5)
    if kind == "pool":
        if r.random() < 0.1:
            return r.choice((global_avgpool, global_maxpool))
        K = (min(r.randint(1, 4), H), min(r.randint(1, 4), W))
        P = tuple(r.randint(0, k // 2) for k in K)
        S = r.choice((None, 1, 2, (1, 2), 3))
        if r.random() < 0.5:
            return maxpool(K, S=S, P=P, ceil=r.random() < 0.3)
        return avgpool(K, S=S, P=P, ceil=r.random() < 0.3, count_pad=r.random() < 0.5)
    if kind == "batchnorm":
        return batchnorm(momentum=r.choice((0.1, 0.5)), affine=r.random() < 0.8) if N * H * W > 6 else act("tanh")
    if kind == "act" or depth > 1:
        return act(r.choice(SMOOTH))
    if kind == "residual":
        inner = [conv(C, 3, P=1, bias=False), act("tanh")] + ([conv(C, 1)] if r.random() < 0.5 else [])
        if r.random() < 0.4:
            O, S = r.randint(1, 12), r.choice((1, 2, 3))
            return residual([conv(O, 3, S=S, P=1), act("silu")], [conv(O, 1, S=S, bias=False)])
        return residual(inner)
    if kind == "branch":
        arms = [[conv(r.randint(1, 9), r.choice((1, 3, 5)), P="same"), act(r.choice(SMOOTH))] for _ in range(r.randint(2, 4))]
        return branch("concat", *arms)
    return gate([global_avgpool, dense(r.randint(1, 5)), relu, dense(C), act("sigmoid")])


def draw_case(seed, number):
    r = random.Random(f"{seed}/{number}")
    case = Case(f"random_{seed}_{number}", f"seed {seed}, network {number}", [], input=(r.choice((1, 2, 3, 4, 8, 17)), side(r), side(r)),
                batch=r.choice((1, 2, 3, 5, 8)), classes=r.choice((2, 3, 10, 17)))
    x = torch.zeros((case.batch,) + case.input, dtype=torch.float64)
    for _ in range(r.randint(1, 9)):
        node = draw_layer(r, x.shape, 0)
        y = node.apply(x, Net(case.name, torch.float64, False))
        if y.numel() // case.batch <= 6000 and min(y.shape) >= 1:
            case.nodes.append(node)
            x = y
    if x.shape[1] * x.shape[2] * x.shape[3] > 3000:
        case.nodes.append(global_avgpool)
    return case


def difference(case, cnnc, folder):
    """-> complaints"""
    source, trainer = os.path.join(folder, case.name + ".cnn"), os.path.join(folder, case.name)
    with open(source, "w") as f:
        f.write(make_golden.text(case))
    r = subprocess.run([cnnc, source, "--precision", "f64", "-o", trainer], capture_output=True, text=True)
    if r.returncode:
        return [f"cnnc: exit status {r.returncode}\n{r.stderr[-1500:]}"]
    net, exact = make_golden.outputs(case, torch.float64)
    kept, complaints = {k: tensors.Tensor([len(v)], v) for k, v in exact.items()}, []
    recipe = make_golden.recipe(case, net.recipe)
    for mode, n in (("train", case.batch), ("eval", case.batch + 1)):
        given = tensors.inputs(case.name, recipe, case.batch + 1)
        given["x"] = tensors.Tensor([n] + recipe["input"], given["x"].values[: n * tensors.count(recipe["input"])])
        given["y"] = tensors.Tensor([n], given["y"].values[:n])
        try:
            got = probe(trainer, given, mode, "f64", folder)
        except SystemExit as failure:
            complaints.append(str(failure))
            continue
        # Ten layers and batch normalisation of few values: a little more than the suite's own cases.
        complaints += compare(mode, kept, got, shapes(recipe, mode, n), lambda key, largest: 10 * max(F64_BOUND * largest, SMALL))[0]
    return complaints


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("cnnc")
    p.add_argument("--count", type=int, default=100)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--keep", help="folder in which the networks that differ stay")
    a = p.parse_args()
    torch.set_num_threads(1)
    wrong = 0
    for number in range(a.count):
        with tempfile.TemporaryDirectory() as folder:
            case = draw_case(a.seed, number)
            complaints = difference(case, a.cnnc, folder)
            if complaints:
                wrong += 1
                print(make_golden.text(case) + "\n".join(complaints) + "\n", flush=True)
                if a.keep:
                    os.makedirs(a.keep, exist_ok=True)
                    with open(os.path.join(a.keep, case.name + ".cnn"), "w") as f:
                        f.write(make_golden.text(case))
    print(f"{a.count} networks, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
