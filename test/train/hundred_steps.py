#!/usr/bin/env python3
"""The softmax regression of Inputs/rows.cnn, trained for a hundred steps with each optimiser of test/frontend/Inputs/steps.py.
In: CNNC, the SOURCE, DATA of as many samples as the batch, a FOLDER to work in; with --golden also torch, which PyTorch's weights come from.
Out: exit status 1 and what differs by more than 1e-6 of the largest weight; with --golden the file Inputs/hundred_steps.json anew."""
import json
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "numeric"), os.path.join(here, "..", "frontend", "Inputs")]
from steps import CLASSES, data, trained  # of this folder
import importlib.util

spec = importlib.util.spec_from_file_location("optimizer_table", os.path.join(here, "..", "frontend", "Inputs", "steps.py"))
optimizer_table = importlib.util.module_from_spec(spec)
spec.loader.exec_module(optimizer_table)

STEPS, BOUND = 100, 1e-6
GOLDEN = os.path.join(here, "Inputs", "hundred_steps.json")


def theirs(samples, name, arguments):
    import torch

    x = torch.tensor([s for s, _ in samples], dtype=torch.float64)
    y = torch.tensor([k for _, k in samples])
    layer = torch.nn.Linear(x.shape[1], CLASSES, dtype=torch.float64)
    for p in layer.parameters():
        torch.nn.init.zeros_(p)
    optimizer = getattr(torch.optim, name)(layer.parameters(), **arguments)
    for _ in range(STEPS):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(layer(x), y).backward()
        optimizer.step()
    return layer.weight.flatten().tolist() + layer.bias.tolist()


def main():
    cnnc, source, folder, out = sys.argv[1:5]
    samples, wrong = data(folder), []
    if "--golden" in sys.argv:
        with open(GOLDEN, "w") as f:
            json.dump({text: theirs(samples, *torchs) for text, torchs in optimizer_table.OPTIMIZERS.items()}, f, indent=0)
        return 0
    with open(GOLDEN) as f:
        golden = json.load(f)
    with open(source) as f:
        text = f.read()
    os.makedirs(out, exist_ok=True)
    for number, optimizer in enumerate(optimizer_table.OPTIMIZERS):
        train = f"train {{ epochs = {STEPS}  batch = {len(samples)}  precision = f64  optimizer = {optimizer} }}\n"
        have = trained(cnnc, text + train, folder, os.path.join(out, f"run{number}"))
        want = golden[optimizer]
        difference, largest = max(abs(a - b) for a, b in zip(want, have, strict=True)), max(map(abs, want))
        print(f"{optimizer}: {difference / largest:.2g}")
        if not difference <= BOUND * largest:
            wrong.append(f"{optimizer} differs by {difference:.3g} of {largest:.3g} after {STEPS} steps")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
