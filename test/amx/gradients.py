#!/usr/bin/env python3
"""Compares gradients made of AMX tiles with those in f64, for every way to cut a filter's gradient: tiles round no worse than products of pairs, or than
f32 where they make bf16x3. In: CNNC, the precision (bf16, bf16x3), a FOLDER.  Out: a line a network; exit status 1 where the error of
tiles passes its bound times that of the other, where both give the same bits, or where threads change a bit of the tiles' trainer."""
import json
import math
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "numeric"))
import tensors
from check_golden import probe

# name, batch, the input's channels, height and width, layers: (filters, height, width, what else) of a convolution or (outputs,) of a dense layer.
NETWORKS = [
    ("planes, sums in place", 16, (32, 12, 10), [(64, 3, 3, "pad=1"), (32, 3, 3, "pad=1")]),
    ("planes, channels in parts of a tile", 12, (24, 11, 13), [(72, 3, 3, "pad=1"), (20, 3, 3, "pad=[0, 1, 2, 0]")]),
    ("planes, strides and dilation", 9, (16, 17, 14), [(48, 3, 3, "stride=2, pad=1"), (32, 3, 2, "pad=1, dilation=2"), (16, 2, 3, "stride=(1, 2)")]),
    ("planes, several images", 32, (16, 5, 6), [(16, 3, 3, "pad=1"), (32, 3, 3, "pad=1")]),
    ("planes, channels in panels", 4, (16, 12, 12), [(320, 1, 1, ""), (336, 3, 3, "pad=1")]),
    ("taps in rows", 10, (3, 29, 30), [(32, 7, 7, "stride=2, pad=3"), (16, 3, 3, "pad=1")]),
    ("taps in rows, one channel", 21, (1, 15, 13), [(20, 5, 5, "pad=2"), (16, 3, 3, "")]),
    ("samples", 64, (32, 4, 4), [(256, 3, 3, "pad=1"), (320, 3, 3, "pad=1")]),
    ("samples, images left over", 45, (32, 5, 3), [(272, 3, 3, "pad=1"), (264, 3, 3, "stride=2, pad=1")]),
    ("samples, 16 images in pieces of rows", 16, (32, 7, 5), [(64, 3, 3, "pad=1"), (48, 3, 3, "stride=2, pad=1"), (32, 3, 3, "pad=2, dilation=2")]),
    ("samples, pieces of 16 images", 128, (16, 3, 6), [(64, 3, 3, "pad=1"), (32, 3, 3, "pad=[1, 0, 1, 2], stride=(1, 2)")]),
    ("samples, columns that share no tap", 48, (16, 4, 1), [(32, 3, 3, "pad=[1, 2, 1, 2], stride=(1, 2)"), (64, 3, 2, "pad=1")]),
    ("pixels", 7, (32, 9, 9), [(200, 1, 1, ""), (1040, 1, 1, "")]),
    ("pixels, in stripes", 24, (48, 7, 9), [(33, 1, 1, ""), (64, 1, 1, "")]),
    ("dense", 40, (8, 5, 5), [(96,), (1000,), (1040,)]),
]


def source(batch, shape, layers):
    lines = ["network gradients {", f"  input({', '.join(map(str, shape))})"]
    for layer in layers:
        rest = f", {layer[3]}" if len(layer) > 1 and layer[3] else ""
        lines.append(f"  conv({layer[0]}, {layer[1]}x{layer[2]}{rest}, bias=false) -> silu" if len(layer) > 1 else f"  dense({layer[0]}, bias=false) -> silu")
    lines += ["  dense(10, bias=false) -> softmax", "}", f"train {{ batch = {batch}  optimizer = sgd(lr=0.1) }}"]
    return "\n".join(lines) + "\n"


def shapes(trainer, layers):
    """-> names and shapes of the trainer's weights"""
    info = json.loads(subprocess.run([trainer, "info", "--json"], check=True, capture_output=True, text=True).stdout)
    windows, before, found = [layer for layer in layers if len(layer) > 1], None, {}
    for layer in info["layers"]:
        if layer["kind"] == "conv":
            filters, height, width, _ = windows.pop(0)
            found[layer["name"] + ".weight"] = [filters, before[0], height, width]
        elif layer["kind"] == "dense":
            found[layer["name"] + ".weight"] = [layer["output"][0], math.prod(before)]
        before = layer["output"]
    return found


def check(cnnc, precision, folder, name, batch, shape, layers, bound, other):
    path = os.path.join(folder, "network.cnn")
    with open(path, "w", encoding="utf-8") as f:
        f.write(source(batch, shape, layers))
    trainers = {}
    for kind, options in (("exact", ["--precision", "f64"]), ("tiles", ["--precision", precision, "--mcpu", "amx"]), ("other", other)):
        trainers[kind] = os.path.join(folder, kind)
        subprocess.run([cnnc, path, "-Wnone", *options, "-o", trainers[kind]], check=True)
    given = {"x": tensors.draw("amx_gradients", name, [batch, *shape], -1.5, 1.5), "y": tensors.draw_labels("amx_gradients", batch, 10)}
    for parameter, extents in shapes(trainers["exact"], layers).items():
        spread = math.sqrt(6 / math.prod(extents[1:]))
        given[parameter] = tensors.draw("amx_gradients", name + parameter, extents, -spread, spread)
    run = lambda kind, threads="2": probe(trainers[kind], given, "train", "f64" if kind == "exact" else "f32", folder, "--threads", threads)
    exact, tiles, pairs = run("exact"), run("tiles"), run("other")
    others = [run("tiles", threads) for threads in ("1", "3")]
    worst, same, failed = 0, True, False
    for tensor in exact:
        if not tensor.startswith("grad."):
            continue
        rms = lambda got: math.sqrt(sum((a - b) ** 2 for a, b in zip(exact[tensor].values, got[tensor].values)))
        worst = max(worst, rms(tiles) / rms(pairs))
        same &= tiles[tensor].values == pairs[tensor].values
        failed |= any(again[tensor].values != tiles[tensor].values for again in others)
    print(f"{name}: at worst {worst:.2f} times the error without tiles{', the bits change with the threads' if failed else ''}{', the same bits' if same else ''}", flush=True)
    return failed or same or not worst <= bound


def main():
    cnnc, precision, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    # A product of parts is off by 3/2^18 at most, one of f32 not at all; what f32 loses in sums makes the ratio. A wrong cut is off by thousands.
    bound, other = (1.5, ["--precision", "bf16", "--mcpu", "znver4", "--no-winograd"]) if precision == "bf16" else (32, ["--precision", "f32", "--mcpu", "znver4", "--no-winograd"])
    return any([check(cnnc, precision, folder, *network, bound, other) for network in NETWORKS])


if __name__ == "__main__":
    sys.exit(main())
