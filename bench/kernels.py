#!/usr/bin/env python3
"""Times every kernel of a list of layers against what the machine can do, measured in the same process.

  bench/kernels.py [--mcpu v3] [--cnnc build/bin/cnnc] [--threads 1] [--batch 32] [--only conv3x3,dense] [--dtype f32] [--json FILE]

A network is compiled for each layer: a 1x1 convolution makes its map (so that the layer has an input gradient), a global pool and a dense
layer close it. Its `profile` states each kernel's multiply-adds and the least bytes that it can move, the FMA peak and the speed of a copy.
A line a kernel: milliseconds of its fastest step, GFLOP/s, and the share of the bound that is reached: of the FMA peak for contractions, of a plain copy's
bandwidth for the others; for depthwise convolutions, and dense layers that move more than a core's own caches hold (an update of large weights), of the
nearer one: a dense layer's up to 8 MiB are held against a copy of 8 MiB, which the last cache may hold.
The JSON has both shares. A convolution is counted by the multiply-adds of its definition; Winograd's kernels, which do 36 for each 144 of them in tiles
of 4x4, have a second share, of what they do, in brackets."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

# name, channels and side of the map that the layer reads, the layer
LAYERS = [
    ("conv3x3 64->64", 64, 32, "conv(64, 3x3, pad=1, bias=false)"),
    ("conv3x3 128->128", 128, 16, "conv(128, 3x3, pad=1, bias=false)"),
    ("conv3x3 256->256", 256, 8, "conv(256, 3x3, pad=1, bias=false)"),
    ("conv3x3 512->512", 512, 4, "conv(512, 3x3, pad=1, bias=false)"),
    ("conv3x3 3->64", 3, 32, "conv(64, 3x3, pad=1, bias=false)"),
    ("conv3x3 61->67", 61, 16, "conv(67, 3x3, pad=1, bias=false)"),
    ("conv3x3 128->128 7x7", 128, 7, "conv(128, 3x3, pad=1, bias=false)"),
    ("conv3x3 64->128 stride 2", 64, 32, "conv(128, 3x3, stride=2, pad=1, bias=false)"),
    ("conv3x3 64->64 dilation 2", 64, 32, "conv(64, 3x3, pad=2, dilation=2, bias=false)"),
    ("conv3x3 128->128 groups 4", 128, 16, "conv(128, 3x3, pad=1, groups=4, bias=false)"),
    ("conv1x1 64->256", 64, 32, "conv(256, 1x1, bias=false)"),
    ("conv1x1 256->64", 256, 32, "conv(64, 1x1, bias=false)"),
    ("conv1x1 256->512 stride 2", 256, 16, "conv(512, 1x1, stride=2, bias=false)"),
    ("conv5x5 1->32", 1, 28, "conv(32, 5x5, pad=2, bias=false)"),
    ("conv5x5 32->64", 32, 14, "conv(64, 5x5, pad=2, bias=false)"),
    ("conv7x7 3->64 stride 2", 3, 64, "conv(64, 7x7, stride=2, pad=3, bias=false)"),
    ("depthwise3x3 128", 128, 28, "depthwise(3x3, pad=1, bias=false)"),
    ("dense 3136->128", 64, 7, "flatten -> dense(128, bias=false)"),
    ("dense 4096->1024", 64, 8, "flatten -> dense(1024, bias=false)"),
    ("dense 512->10", 512, 1, "dense(10, bias=false)"),
    ("maxpool2", 64, 32, "maxpool(2)"),
    ("avgpool2", 64, 32, "avgpool(2)"),
    ("batchnorm 64", 64, 32, "batchnorm"),
    ("relu 64", 64, 32, "relu"),
]
CONTRACTIONS = ("conv", "dense", "depthwise")
LAST_CACHE = 8  # MiB that a share of the last cache holds between kernels: a copy from memory bounds what moves more


def own_caches():
    """-> MiB of a core's second-level cache, or 1 where the system does not say"""
    try:
        with open("/sys/devices/system/cpu/cpu0/cache/index2/size") as f:
            return int(f.read().strip().removesuffix("K")) / 1024
    except (OSError, ValueError):
        return 1.0


def source(channels, side, layer, batch):
    tail = "dense(4)" if layer.startswith("flatten") or side == 1 else "global_avgpool -> dense(4)"
    head, *rest = layer.split(" -> ")
    chain = " -> ".join([head] + rest[:-1] + ["under_test: " + rest[-1]]) if rest else "under_test: " + head
    return (f"network kernel {{ input({4 if channels > 1 else 2}, {side}, {side})\n  conv({channels}, 1x1) -> {chain} -> {tail} -> softmax }}\n"
            f"train {{ batch = {batch}  optimizer = sgd(lr=1e-6, momentum=0.9) }}\n")


def measure(a, channels, side, layer, folder):
    path, trainer = os.path.join(folder, "kernel.cnn"), os.path.join(folder, "kernel")
    with open(path, "w") as f:
        f.write(source(channels, side, layer, a.batch))
    subprocess.run([a.cnnc, path, "-Wnone", "--precision", a.dtype, "--mcpu", a.mcpu, "-o", trainer], check=True)
    r = subprocess.run([a.cnnc, "show", "--json", path], check=True, capture_output=True, text=True)
    macs = next(l["macs"] for l in json.loads(r.stdout)["layers"] if l["name"] == "under_test")
    r = subprocess.run([trainer, "profile", "--json", "--threads", str(a.threads)], check=True, capture_output=True, text=True)
    profile = json.loads(r.stdout)
    return profile["kernels"], 2 * macs * a.batch / 1e9, profile["peak"]


def parser(text):
    """The options that programs which measure layers share; `text`: what they do."""
    p = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--cnnc", default="build/bin/cnnc")
    p.add_argument("--mcpu", default="native")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--dtype", default="f32")
    p.add_argument("--only", default="")
    return p


def main():
    p = parser(__doc__)
    p.add_argument("--json")
    a = p.parse_args()
    rows, own = [], own_caches()
    print(f"{'layer':27} {'kernel':34} {'ms':>8} {'GFLOP/s':>8} {'GB/s':>7} {'bound':>6} {'share':>6}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, channels, side, layer in LAYERS:
            if a.only and not any(name.startswith(o) for o in a.only.split(",")):
                continue
            kernels, definition, peak = measure(a, channels, side, layer, folder)
            for k in kernels:
                if k["layer"] != "under_test":
                    continue
                winograd = k["operation"].startswith("winograd_") and k["gflop"] > 0
                operation = k["operation"].removeprefix("winograd_")
                contraction = operation.startswith(CONTRACTIONS) and k["gflop"] > 0
                share_of_mean = k["ms_min"] / k["ms"]
                of_peak, of_copy = k["share_of_peak"] / share_of_mean, k["share_of_copy"] / share_of_mean
                if operation.startswith("dense") and own < k["mib"] <= LAST_CACHE:
                    of_copy *= peak["copy_memory_gb_s"] / peak["copy_last_cache_gb_s"]
                if operation.startswith("depthwise") or (operation.startswith("dense") and k["mib"] > own):
                    contraction = of_peak >= of_copy
                done = of_peak if contraction else of_copy
                counted = definition / k["gflop"] if winograd else 1
                rows.append({"layer": name, "kernel": k["direction"] + ":" + k["operation"], "ms": k["ms_min"], "share": done * counted, "done": done,
                             "bound": "FMA" if contraction else "copy", "of_peak": of_peak * counted, "of_copy": of_copy})
                print(f"{name:27} {rows[-1]['kernel']:34} {k['ms_min']:8.3f} {counted * k['gflop_s'] / share_of_mean:8.1f} {k['gb_s'] / share_of_mean:7.1f} "
                      f"{rows[-1]['bound']:>6} {done * counted:6.0%}" + (f" ({done:.0%})" if winograd else ""), flush=True)
    for bound in ("FMA", "copy"):
        shares = sorted(r["share"] for r in rows if r["bound"] == bound)
        if shares:
            of_done = statistics.median(r["done"] for r in rows if r["bound"] == bound)
            print(f"{bound}: {len(shares)} kernels, median share {statistics.median(shares):.0%} ({of_done:.0%}), least {shares[0]:.0%}")
    if a.json:
        with open(a.json, "w") as f:
            json.dump(rows, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
