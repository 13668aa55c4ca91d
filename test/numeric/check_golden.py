#!/usr/bin/env python3
"""Compares a trainer with the golden file of its case: one training step and one evaluation.
In: CASE.cnn (beside it CASE.golden), TRAINER, [--precision f64|f32|bf16|bf16x3].
Out: the worst tensor of each mode; exit status 1 and every tensor that differs too much.

f64: |a - b| <= 1e-8 of the tensor's largest value. Sums of a few hundred terms round to 1e-13; batch normalisation and its derivative
     divide differences of such sums by each other, which costs some digits more; a wrong formula or index shows at 1e-3 and above.
f32: twice PyTorch's own error in f32 against f64, plus 16 rounding errors of the largest value, for PyTorch is exact by luck at times.
bf16: root mean squares, because a value that rounds over the kink of a relu or to another winner of a maxpool moves single gradients by their
     whole size. Twice PyTorch's own error under autocast, plus two rounding errors of bf16."""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile

import tensors

F64_BOUND = 1e-8
F32_ROUNDING = 2.0**-24
BF16_ROUNDING = 2.0**-8
SPLIT_ROUNDING = 3 * 2.0**-18  # what bf16x3 leaves out of a product, at most
SMALL = 1e-12  # below this a tensor is zero but for rounding (the gradient of a bias in front of a batchnorm)


def golden(case_file):
    """-> name of the case, recipe, tensors, f32 errors"""
    path = os.path.splitext(case_file)[0]
    kept, metadata = tensors.read(path + ".golden")
    return os.path.basename(path), json.loads(metadata["recipe"]), kept, json.loads(metadata.get("f32_error", "{}"))


def probe(trainer, given, mode, precision, folder, *options):
    """Runs `trainer probe` on the tensors; -> the tensors that it writes"""
    inside, outside = (os.path.join(folder, name) for name in ("in.safetensors", "out.safetensors"))
    tensors.write(inside, given, dtype=precision.upper())
    command = [trainer, "probe", "--in", inside, "--out", outside, "--mode", mode, *options]
    r = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if r.returncode:
        sys.exit(f"{' '.join(command)}: exit status {r.returncode}\n{r.stderr[-2000:]}")
    return tensors.read(outside)[0]


def shapes(recipe, mode, n):
    """The names that OUT must have, with their shapes."""
    expected = {"logits": [n, recipe["classes"]], "loss": []}
    if mode == "train":
        for name, t in recipe["tensors"].items():
            expected[f"new.{name}"] = t["shape"]
            if not t["kind"].startswith("running"):
                expected[f"grad.{name}"] = t["shape"]
    return expected


def compare(mode, kept, got, expected, bound_of, of_squares):
    """-> complaints, the worst difference as (share of its bound, name, difference)"""
    complaints, worst = [], (0.0, "-", 0.0)
    missing, extra = sorted(expected.keys() - got.keys()), sorted(got.keys() - expected.keys())
    if missing or extra:
        complaints.append(f"{mode}: missing {missing}, not expected {extra}")
    for name in expected.keys() & got.keys():
        if tensors.count(got[name].shape) != tensors.count(expected[name]) or (expected[name] and list(got[name].shape) != expected[name]):
            complaints.append(f"{mode}.{name}: shape {got[name].shape}, expected {expected[name]}")
            continue
        key = f"{mode}.{name}"
        want, have = kept[key].values, tensors.digest(key, got[name].values)
        if not all(map(math.isfinite, have)):
            complaints.append(f"{key}: not finite")
            continue
        if of_squares:
            difference, largest = tensors.rms(want, have), tensors.rms(want)
        else:
            difference, largest = max(abs(a - b) for a, b in zip(want, have)), max(map(abs, want))
        bound = bound_of(key, largest)
        worst = max(worst, (difference / bound, key, difference))
        if difference > bound:
            complaints.append(f"{key}: differs by {difference:.3g}, its largest value is {largest:.3g}, the bound {bound:.3g}")
    return complaints, worst


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("case")
    p.add_argument("trainer")
    p.add_argument("--precision", default="f64", choices=("f64", "f32", "bf16", "bf16x3"))
    a = p.parse_args()
    case, recipe, kept, f32_error = golden(a.case)
    with open(os.path.join(os.path.dirname(a.case), "bf16_error.json")) as f:
        bf16_error = json.load(f).get(case, {})

    def bound_of(key, largest):
        if a.precision == "f64":
            return F64_BOUND * max(largest, SMALL / F64_BOUND)
        if a.precision == "bf16":
            return 2 * bf16_error[key] + 2 * BF16_ROUNDING * max(largest, 0.01)
        if a.precision == "bf16x3":
            return 2 * f32_error.get(key, 0) + 4 * SPLIT_ROUNDING * max(largest, 0.01)
        return 2 * f32_error[key] + 16 * F32_ROUNDING * max(largest, 0.01)

    complaints = []
    with tempfile.TemporaryDirectory() as folder:
        # Evaluation gets one sample more than a batch: it must serve any number.
        for mode, n in (("train", recipe["batch"]), ("eval", recipe["batch"] + 1)):
            if f"{mode}.loss" not in kept:
                continue
            given = tensors.inputs(case, recipe, recipe["batch"] + 1)
            per_sample = tensors.count(recipe["input"])
            given["x"] = tensors.Tensor([n] + recipe["input"], given["x"].values[: n * per_sample])
            for name in given.keys() & {"y", "y2", "mix"}:
                given[name] = tensors.Tensor([n], given[name].values[:n])
            got = probe(a.trainer, given, mode, "f64" if a.precision == "f64" else "f32", folder)
            found, worst = compare(mode, kept, got, shapes(recipe, mode, n), bound_of, a.precision == "bf16")
            complaints += found
            print(f"{case} {a.precision} {mode}: worst {worst[1]}, {worst[2]:.2g}, {worst[0]:.2g} of its bound")
    print("\n".join(complaints))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
