#!/usr/bin/env python3
"""Compares trainers of --precision bf16, or bf16x3, with the golden files, a training step and an evaluation each, as check_golden.py bounds them.
In: CNNC, a FOLDER to work in, beginnings of the names of cases; --mcpu=NAME for another processor's code, --precision=bf16x3.  Out: the worst cases; exit status 1 if one passes its bound.

Left out: cases in which a value that rounds to the other side of a kink (relu, the winner of a maxpool) is a large share of a gradient,
because they have few values. With other numbers the errors of both sides change places."""
import concurrent.futures
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KINKS = {"maxpool_same", "lenet_small", "if_shape"}


def check(cnnc, case, folder, options, precision):
    """-> share of the bound, output"""
    trainer = os.path.join(folder, os.path.basename(case)[:-4])
    subprocess.run([cnnc, case, "--precision", precision, *options, "-o", trainer], check=True)
    r = subprocess.run([sys.executable, os.path.join(HERE, "check_golden.py"), case, trainer, "--precision", precision], capture_output=True, text=True)
    os.remove(trainer)
    shares = [float(s) for s in re.findall(r"([\d.e+-]+) of its bound", r.stdout)]
    return (max(shares, default=float("inf")) if r.returncode == 0 else float("inf")), r.stdout + r.stderr


def main():
    cnnc, folder, *rest = sys.argv[1:]
    options, beginnings = [r for r in rest if r.startswith("--")], [r for r in rest if not r.startswith("--")]
    precision = next((o.split("=")[1] for o in options if o.startswith("--precision=")), "bf16")
    options = [o for o in options if not o.startswith("--precision=")]
    os.makedirs(folder, exist_ok=True)
    cases = [c for c in sorted(glob.glob(os.path.join(HERE, "cases", "*.cnn")))
             if os.path.basename(c).startswith(tuple(beginnings)) and os.path.basename(c)[:-4] not in KINKS]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        got = sorted(pool.map(lambda c: check(cnnc, c, folder, options, precision), cases), key=lambda pair: -pair[0])
    print(f"{len(cases)} cases")
    for share, output in got[:5]:
        print(output)
    return not cases or got[0][0] > 1


if __name__ == "__main__":
    sys.exit(main())
