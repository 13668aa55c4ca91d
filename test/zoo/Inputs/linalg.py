#!/usr/bin/env python3
"""Lowers every network of examples/ to linalg at batch 2.
In: CNNC, the folder of EXAMPLES.
Out: a line a network, with the seconds it took; exit status 1 where one has no form without cnn operations."""
import os
import re
import subprocess
import sys
import time


def main():
    cnnc, folder = sys.argv[1:]
    wrong = []
    for name in sorted(f for f in os.listdir(folder) if f.endswith(".cnn")):
        start = time.perf_counter()
        r = subprocess.run([cnnc, os.path.join(folder, name), "-Wnone", "--batch", "2", "--emit=linalg", "-o", "-"], capture_output=True, text=True)
        print(f"{name:24} {time.perf_counter() - start:6.2f} s")
        functions = set(re.findall(r"func\.func @(\w+)", r.stdout))
        if r.returncode or not {"train_step", "predict", "predict_one"} <= functions or re.search(r"= cnn\.", r.stdout):
            wrong.append(f"{name}: exit status {r.returncode}, functions {sorted(functions)}\n{r.stderr[-2000:]}")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
