#!/usr/bin/env python3
"""Does an update that the kernel of its gradient does give what an update in a kernel of its own gives?

  test/kernels/updates.py CNNC NETWORK.cnn [OPTIMIZER...]

A bound on the gradients' norm that is never reached keeps updates apart: they wait for all gradients. One step in f64 of each program from the same
tensors, for each optimizer; the new values are compared by the largest change of their tensor.
Out: for each optimizer the kernels that update, and the largest difference; exit status 1 if one is above the bound."""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "numeric"))
import tensors
from random_shapes import inputs

BOUND = 1e-9  # of the largest change: Adam divides by roots of small numbers


def step(cnnc, text, given, folder):
    source, trainer, path, out = (os.path.join(folder, n) for n in ("n.cnn", "n", "in.st", "out.st"))
    with open(source, "w") as f:
        f.write(text)
    subprocess.run([cnnc, source, "-Wnone", "--precision", "f64", "--mcpu", "x86-64-v3", "-o", trainer], check=True)
    traffic = json.loads(subprocess.run([cnnc, "show", "--traffic", "--json", "--precision", "f64", "--mcpu", "x86-64-v3", "-Wnone", source], check=True, capture_output=True, text=True).stdout)
    if not given:
        info = json.loads(subprocess.run([trainer, "info", "--json"], check=True, capture_output=True, text=True).stdout)
        given.update(inputs(info, 1))
    tensors.write(path, given, dtype="F64")
    subprocess.run([trainer, "probe", "--in", path, "--out", out], check=True)
    return tensors.read(out)[0], {k["kernel"].split(":")[1] for k in traffic["kernels"] if k["kernel"].endswith("_update")}


def main():
    cnnc, path, *optimizers = sys.argv[1:]
    with open(path) as f:
        text = f.read()
    given, failed = {}, False
    with tempfile.TemporaryDirectory() as folder:
        for optimizer in optimizers:
            with_optimizer = text.replace("sgd(lr=0.1)", optimizer)
            together, kernels = step(cnnc, with_optimizer, given, folder)
            apart, none = step(cnnc, with_optimizer.replace("train {", "train { clip = norm(1e30)  "), given, folder)
            assert not none, none
            worst = 0.0
            for name, tensor in apart.items():
                if name.startswith("new."):
                    old = given[name[4:]].values
                    change = max(abs(a - b) for a, b in zip(tensor.values, old))
                    worst = max(worst, max(abs(a - b) for a, b in zip(tensor.values, together[name].values)) / change)
            print(f"{optimizer}: {' '.join(sorted(kernels))}; largest difference {'within' if worst <= BOUND else 'ABOVE'} {BOUND:g} of the change ({worst:.1e})")
            failed |= worst > BOUND
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
