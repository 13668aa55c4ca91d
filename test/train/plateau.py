#!/usr/bin/env python3
"""The learning rates of a run with a plateau schedule, from its own validation losses.
In: the JSON lines of `train --json` of Inputs/plateau.cnn; or --torch, with a Python that has torch: the rule below against PyTorch's.
Out: status 1 and the first epoch whose rate is another."""
import json
import random
import sys

LR, STEPS_AN_EPOCH = 1.2, 12  # of Inputs/plateau.cnn: 300 samples, a fifth of them held out, batches of 20
RULE = dict(factor=0.5, patience=1, cooldown=1, threshold=0.01, floor=0.2)
LEAST_FALLS = 2


def factors(losses, factor, patience, cooldown, threshold, floor):
    """-> the factor of each epoch, and of the one after them"""
    best, bad, cooling, now, out = float("inf"), 0, 0, 1.0, [1.0]
    for loss in losses:
        if loss < best * (1 - threshold):
            best, bad = loss, 0
        else:
            bad += 1
        if cooling > 0:
            cooling, bad = cooling - 1, 0
        if bad > patience:
            now, cooling, bad = max(now * factor, floor), cooldown, 0
        out.append(now)
    return out


def against_torch():
    import torch

    for trial in range(300):
        draw = random.Random(trial)
        rule = dict(factor=draw.choice([0.1, 0.5, 0.9]), patience=draw.randrange(4), cooldown=draw.randrange(4), threshold=draw.choice([0, 1e-4, 0.1]), floor=draw.choice([0, 0.05]))
        losses = [draw.uniform(0.1, 1) * (0.9 ** i if trial % 2 else 1) for i in range(40)]
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        names = {"floor": "min_lr"}
        theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **{names.get(k, k): v for k, v in rule.items()}, eps=0)
        rates = [1.0]
        for loss in losses:
            theirs.step(loss)
            rates.append(optimizer.param_groups[0]["lr"])
        if rates != factors(losses, **rule):
            sys.exit(f"trial {trial}: {rule}")
    print("300 rules agree with PyTorch's")


def main():
    with open(sys.argv[1]) as f:
        epochs = [e for e in map(json.loads, f) if e.get("event") == "epoch"]
    now = factors([e["val"]["loss"] for e in epochs], **RULE)
    for i, (e, factor) in enumerate(zip(epochs, now)):
        at = i + (STEPS_AN_EPOCH - 1) / STEPS_AN_EPOCH  # the rate that is told is that of the epoch's last step
        rate = LR * factor * (at if at < 1 else 0.99 ** (at - 1))
        if abs(e["lr"] - rate) > 1e-12 * LR:
            sys.exit(f"epoch {i + 1}: the rate is {e['lr']}, expected {rate}")
    falls = sum(b < a for a, b in zip(now, now[1:]))
    if len(epochs) != 16 or falls < LEAST_FALLS or min(now) != RULE["floor"]:
        sys.exit(f"{len(epochs)} epochs, {falls} falls down to {min(now)}: the run shows too little")


if __name__ == "__main__":
    against_torch() if sys.argv[1:] == ["--torch"] else main()
