#!/usr/bin/env python3
"""Compares the logits of networks in examples/ with torchvision's, in evaluation, f32, on two pictures of noise.
In: CNNC, EXAMPLES, a FOLDER to work in, names (default: all that torchvision has).
Out: a line a network: the largest difference as a part of the largest logit; exit status 1 above 1e-4.  Needs torch and torchvision, and is no
part of the suite.

The weights are torchvision's initial ones; batch normalisation gets drawn statistics, scales and shifts, for its initial ones do nothing. Tensors
meet in the order in which both sources create them, kind by kind."""
import os
import subprocess
import sys
import json

import torch
import torchvision
from safetensors.torch import load_file, save_file

BOUND = 1e-4
NAMES = {"alexnet": "alexnet", "vgg16": "vgg16", "googlenet": "googlenet", "resnet18": "resnet18", "resnet34": "resnet34", "resnet50": "resnet50",
         "squeezenet": "squeezenet1_1", "mobilenet_v2": "mobilenet_v2", "densenet121": "densenet121", "efficientnet_b0": "efficientnet_b0",
         "convnext_t": "convnext_tiny"}


def model_of(name):
    torch.manual_seed(1)
    options = {"aux_logits": False, "transform_input": False, "init_weights": True} if name == "googlenet" else {}
    model = getattr(torchvision.models, NAMES[name])(weights=None, **options).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    return model


def kind_of(name):
    return "layer_scale" if "layer_scale" in name else name.rsplit(".", 1)[1]


def compare(cnnc, examples, folder, name):
    source, trainer = os.path.join(examples, name + ".cnn"), os.path.join(folder, name)
    shown = json.loads(subprocess.run([cnnc, "show", source, "--json"], check=True, capture_output=True, text=True).stdout)
    subprocess.run([cnnc, source, "-Wnone", "--batch", "2", "-o", trainer], check=True)
    model = model_of(name)
    theirs = {}
    for key, value in model.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            theirs.setdefault(kind_of(key), []).append(value)
    given = {"x": torch.randn(2, 3, 224, 224), "y": torch.tensor([0, 1])}
    for tensor in shown["tensors"]:
        given[tensor["name"]] = theirs[kind_of(tensor["name"])].pop(0).reshape(tensor["shape"]).clone()
    assert not any(theirs.values()), "torchvision's has more tensors"
    save_file(given, trainer + ".in")
    subprocess.run([trainer, "probe", "--in", trainer + ".in", "--out", trainer + ".out", "--mode", "eval"], check=True)
    with torch.no_grad():
        want = model(given["x"])
    have = load_file(trainer + ".out")["logits"]
    os.remove(trainer + ".in")
    return ((have - want).abs().max() / want.abs().max()).item()


def main():
    cnnc, examples, folder, *names = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    worst = 0.0
    for name in names or NAMES:
        difference = compare(cnnc, examples, folder, name)
        worst = max(worst, difference)
        print(f"{name:16} {difference:.2g}", flush=True)
    return 1 if not worst <= BOUND else 0


if __name__ == "__main__":
    sys.exit(main())
