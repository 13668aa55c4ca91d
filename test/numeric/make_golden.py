#!/usr/bin/env python3
"""Makes cases/NAME.cnn and cases/NAME.golden from the table in cases.py, with PyTorch in f64.
In: names of cases (default: all).  Out: the files.  Needs torch and numpy (any 2.x); the tests themselves do not.

A golden file is a safetensors file. Inputs and parameters are not in it: they are drawn anew from the case's name (tensors.py).
metadata: recipe = {"input", "spread", "classes", "batch", "tensors": {name: {"shape", "kind", "range"}},
                    "states": {name: {"shape", "range"}}},
          f32_error = {tensor: PyTorch's own largest error in f32}.
With --bf16 instead: cases/bf16_error.json, {case: {tensor: PyTorch's own root mean square error under autocast to bf16}} of all cases.
tensors:  train.logits train.loss train.grad.NAME train.new.NAME eval.logits eval.loss, each as tensors.digest leaves it."""
import json
import os
import sys

import torch
import torch.nn.functional as F

import tensors
from cases import CASES
from networks import Net, chain, dense

HERE = os.path.dirname(os.path.abspath(__file__))
EVALUATED = 1  # evaluation gets so many samples more than the batch: it serves any number


def layers(case):
    return case.nodes + (case.last or [dense(case.classes)])


def text(case):
    checks = "# RUN: %cnnc %s --precision f64 -o %t\n# RUN: %python %numeric/check_golden.py %s %t\n"
    checks += "# RUN: %python %numeric/finite_difference.py %s %t\n"
    if case.f32:
        checks += "# RUN: %cnnc %s --precision f32 -o %t.f32\n# RUN: %python %numeric/check_golden.py %s %t.f32 --precision f32\n"
    statements = [n.text for n in layers(case)]
    body, line = [], ""
    for s in statements:  # a pipeline where layers are short, a line of its own for what has braces
        plain = "{" not in s and not s.startswith("let ")
        if line and (not plain or len(line) + len(s) > 100):
            body.append(line)
            line = ""
        if plain:
            line += (" -> " if line else "") + s
        else:
            body.append(s)
    body += [line + " -> softmax" if line else "softmax"]
    return (checks + f"# {case.claim}\n" + case.definitions + f"network {case.name} {{\n"
            + f"  input({', '.join(map(str, case.input))})\n" + "".join(f"  {l}\n" for l in body) + "}\n"
            + f"train {{ batch = {case.batch}  {case.train} }}\n")


def states(case, tensors):
    """Second moments lie above the squares of first ones, as they do in training."""
    ranges = {"m": [-0.3, 0.3], "v": [0.1, 0.5] if "m" in case.states else [-0.3, 0.3], "square": [0.1, 0.5], "mean": [-0.3, 0.3],
              "sum": [0.1, 0.5], "steps": [0.01, 0.1]}
    return {f"{name}.{s}": {"shape": t["shape"], "range": ranges[s]} for name, t in tensors.items() if not t["kind"].startswith("running")
            for s in case.states}


def recipe(case, tensors={}):
    return {"input": list(case.input), "spread": case.spread, "classes": case.classes, "batch": case.batch, "tensors": tensors,
            "states": states(case, tensors), **({"mixed": True} if case.mixed else {})}


def evaluate(case, n, dtype, training):
    """-> net, logits, loss; n samples. dtype bfloat16 means f32 under autocast."""
    mixed, dtype = dtype == torch.bfloat16, torch.float32 if dtype == torch.bfloat16 else dtype
    net = Net(case.name, dtype, training)
    data = tensors.inputs(case.name, recipe(case), case.batch + EVALUATED)
    x = torch.tensor(data["x"].values, dtype=torch.float64).reshape(data["x"].shape)[:n].to(dtype)
    y = torch.tensor(data["y"].values)[:n]
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        logits = chain(layers(case), x, net).flatten(1)
    logits = logits.to(dtype)
    assert logits.shape == (n, case.classes), logits.shape
    if training and case.mixed:
        y2, mix = torch.tensor(data["y2"].values)[:n], torch.tensor(data["mix"].values, dtype=torch.float64)[:n].to(dtype)
        return net, logits, case.mixed(logits, y, y2, mix)
    return net, logits, case.loss(logits, y) if case.loss else F.cross_entropy(logits, y, label_smoothing=case.smoothing)


def train_step(case, dtype):
    net, logits, loss = evaluate(case, case.batch, dtype, True)
    trained = {k: t for k, t in net.tensors.items() if t.requires_grad}
    loss.backward()
    grads = {k: (torch.zeros_like(t) if t.grad is None else t.grad.clone()) for k, t in trained.items()}
    for k, t in trained.items():
        t.grad = grads[k].clone()
    spared = [t for k, t in trained.items() if {net.recipe[k]["kind"], net.kinds[k]} & set(case.no_decay)]
    decayed = [t for t in trained.values() if not any(t is s for s in spared)]
    groups = [{"params": decayed}] + ([{"params": spared, "weight_decay": 0.0}] if spared else [])
    optimizer = case.optimizer(groups) if case.optimizer else torch.optim.SGD(groups, lr=0.1)
    if case.clip and case.clip[0] == "norm":
        torch.nn.utils.clip_grad_norm_(trained.values(), case.clip[1])
    elif case.clip:
        torch.nn.utils.clip_grad_value_(trained.values(), case.clip[1])
    for name, drawn in states(case, net.recipe).items():
        parameter, state = name.rsplit(".", 1)
        values = torch.tensor(tensors.draw(case.name, name, drawn["shape"], *drawn["range"]).values, dtype=torch.float64)
        dtype = trained[parameter].dtype
        held = optimizer.state[trained[parameter]]
        held[case.states[state]] = values.reshape(drawn["shape"]).to(dtype)
        held.setdefault("step", torch.tensor(0.0))
        if isinstance(optimizer, torch.optim.NAdam):
            held.setdefault("mu_product", torch.tensor(1.0, dtype=dtype))
    optimizer.step()
    out = {"train.logits": logits, "train.loss": loss}
    out.update({f"train.grad.{k}": g for k, g in grads.items()})
    out.update({f"train.new.{k}": net.updates.get(k, t) for k, t in net.tensors.items()})
    return net, out


def outputs(case, dtype):
    """-> net, name -> list of the values that are kept"""
    net, logits, loss = evaluate(case, case.batch + EVALUATED, dtype, False)
    out = {"eval.logits": logits, "eval.loss": loss}
    if case.golden:
        net, trained = train_step(case, dtype)
        out.update(trained)
    return net, {k: tensors.digest(k, t.detach().double().flatten().tolist()) for k, t in out.items()}


def make(case):
    net, exact = outputs(case, torch.float64)
    metadata = {"recipe": json.dumps(recipe(case, net.recipe), separators=(",", ":"))}
    if case.f32:
        _, rounded = outputs(case, torch.float32)
        metadata["f32_error"] = json.dumps({k: max(abs(a - b) for a, b in zip(v, rounded[k])) for k, v in exact.items()})
    path = os.path.join(HERE, "cases", case.name)
    with open(path + ".cnn", "w") as f:
        f.write(text(case))
    tensors.write(path + ".golden", {k: tensors.Tensor([len(v)], v) for k, v in exact.items()}, metadata)


def bf16_errors(case):
    _, exact = outputs(case, torch.float64)
    _, rounded = outputs(case, torch.bfloat16)
    return {k: float(f"{tensors.rms(v, rounded[k]):.3g}") for k, v in exact.items()}


def main():
    torch.set_num_threads(1)
    if sys.argv[1:] == ["--bf16"]:
        with open(os.path.join(HERE, "cases", "bf16_error.json"), "w") as f:
            json.dump({case.name: bf16_errors(case) for case in CASES}, f, indent=0)
        return
    wanted = set(sys.argv[1:])
    unknown = wanted - {c.name for c in CASES}
    if unknown:
        sys.exit(f"no such case: {', '.join(sorted(unknown))}")
    os.makedirs(os.path.join(HERE, "cases"), exist_ok=True)
    for case in CASES:
        if not wanted or case.name in wanted:
            make(case)


if __name__ == "__main__":
    main()
