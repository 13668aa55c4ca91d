#!/usr/bin/env python3
"""Every layer, activation, optimiser and operation that can be differentiated has a case; nothing new gets in without one.
In: CNNC, ROOT of the project.
Out: exit status 1 and the words that no case uses.

Layers: the table in compiler/frontend/ElaborateLayers.cpp.  Activations and optimisers: compiler/prelude/prelude.cnn.
Operations: compiler/dialect/CnnOps.td; a case has one if `cnnc --emit=cnn` or `--emit=train` prints it."""
import os
import re
import subprocess
import sys


def text(*path):
    with open(os.path.join(*path)) as f:
        return f.read()


def words_of(pattern, source, where):
    found = set(re.findall(pattern, source, re.M))
    if not found:
        sys.exit(f"{where}: the pattern {pattern} finds nothing; has the table moved?")
    return found


def main():
    cnnc, root = sys.argv[1:]
    folder = os.path.join(root, "test", "numeric", "cases")
    cases = sorted(f for f in os.listdir(folder) if f.endswith(".cnn"))
    sources = [re.sub(r"#.*|^activation .*", "", text(folder, c), flags=re.M) for c in cases]
    prelude = text(root, "compiler", "prelude", "prelude.cnn")

    layers = words_of(r'^\s*\{"(\w+)", \{', text(root, "compiler", "frontend", "ElaborateLayers.cpp"), "layers")
    layers |= words_of(r"^activation (\w+)", prelude, "activations")
    optimizers = words_of(r"^optimizer (\w+)", prelude, "optimisers")
    used = set(re.findall(r"\w+", " ".join(sources)))
    lacking = [f"layer {w}" for w in sorted(layers - used)] + [f"optimiser {w}" for w in sorted(optimizers - used)]

    operations = words_of(r'^def Cnn_\w+ : Cnn_(?:Layer|Adjoint)<"(\w+)"', text(root, "compiler", "dialect", "CnnOps.td"), "operations")
    for case in cases:
        for stage in ("cnn", "train"):
            if operations:
                r = subprocess.run([cnnc, os.path.join(folder, case), f"--emit={stage}", "-o", "-"], capture_output=True, text=True)
                operations -= set(re.findall(r"\bcnn\.(\w+)", r.stdout))
    lacking += [f"operation cnn.{w}" for w in sorted(operations)]

    for word in lacking:
        print(f"no case in test/numeric/cases uses the {word}")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
