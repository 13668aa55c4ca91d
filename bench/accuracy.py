#!/usr/bin/env python3
"""Trains ResNet-20 on CIFAR-10 with cnnc and with PyTorch, under the same conditions, and compares the test accuracies.

  bench/accuracy.py --data FOLDER --torch-python VENV/bin/python [--cnnc build/bin/cnnc] [--epochs 4] [--seeds 1,2,3] [--threads 1]
                    [--work DIR]

FOLDER holds train/CLASS/*.jpg and test/CLASS/*.jpg.  Both sides: nets/resnet20.cnn's layers, He's normal initial values, zero biases,
batches of 128 without the last short one, crop(4) with black borders and hflip, the same fixed normalisation, SGD with Nesterov momentum and
weight decay on everything, one cycle over all steps, the test set in evaluation mode after the last step.  Random numbers differ.
The PyTorch side reads the pictures once into a tensor of bytes and augments whole batches.  Every result is kept in DIR/results.jsonl; a run that
stands there is not done again, so that an interrupted comparison goes on, and more seeds can be added later."""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH, RATE, MOMENTUM, DECAY, CROP = 128, 0.1, 0.9, 5e-4, 4
MEAN, STD = [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]  # of CIFAR-10's training set
WARMUP, DIV, FINAL_DIV = 0.3, 25.0, 1e4                         # of one_cycle, in compiler/prelude/prelude.cnn


def source(epochs):
    """nets/resnet20.cnn with data, augmentation and schedule."""
    with open(os.path.join(HERE, "nets", "resnet20.cnn")) as f:
        net = f.read()
    net = net[:net.index("train {")]
    return net + f"""data {{
  train     = folder("train")
  test      = folder("test")
  normalize = (mean={MEAN}, std={STD})
  augment {{ crop({CROP}) -> hflip }}
}}
train {{
  epochs = {epochs}  batch = {BATCH}  loss = cross_entropy  keep = last
  optimizer = sgd(lr={RATE}, momentum={MOMENTUM}, nesterov=true, weight_decay={DECAY})
  schedule = one_cycle(warmup={WARMUP}, div={DIV}, final_div={FINAL_DIV})
}}
"""


def factor(epoch, epochs):
    """one_cycle as the prelude has it."""
    rise = WARMUP * epochs
    if epoch < rise:
        return 1 / DIV + (1 - 1 / DIV) * 0.5 * (1 - math.cos(math.pi * epoch / rise))
    low = 1 / (DIV * FINAL_DIV)
    return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * (epoch - rise) / (epochs - rise)))


def train_cnnc(a, seed):
    model = os.path.join(a.work, f"resnet20-{a.epochs}")
    if not os.path.exists(model):
        with open(model + ".cnn", "w") as f:
            f.write(source(a.epochs))
        subprocess.run([a.cnnc, model + ".cnn", "-o", model], check=True)
    checkpoint = os.path.join(a.work, f"checkpoint-{a.epochs}-{seed}")
    options = ["--data", a.data, "--threads", str(a.threads), "--seed", str(seed)]
    log = open(os.path.join(a.work, f"train-{a.epochs}-{seed}.log"), "w")
    resume = ["--resume"] if os.path.exists(os.path.join(checkpoint, "last.safetensors")) else []
    subprocess.run([model, "train", "--checkpoint", checkpoint, *options, *resume], check=True, stdout=log)
    r = subprocess.run([model, "eval", os.path.join(checkpoint, "last.safetensors"), "--json", *options], check=True, capture_output=True, text=True)
    got = json.loads(r.stdout)
    return got["accuracy"], got["loss"]


def pictures(data, part, work):
    """Bytes (N,C,H,W) and labels, classes in the order of their names; decoded once and kept in `work`."""
    import numpy
    kept = os.path.join(work, part + ".npz")
    if not os.path.exists(kept):
        from PIL import Image
        images, labels = [], []
        for k, name in enumerate(sorted(os.listdir(os.path.join(data, part)))):
            folder = os.path.join(data, part, name)
            for file in sorted(os.listdir(folder)):
                images.append(numpy.asarray(Image.open(os.path.join(folder, file)).convert("RGB")))
                labels.append(k)
        numpy.savez(kept, x=numpy.stack(images).transpose(0, 3, 1, 2), y=numpy.array(labels))
    got = numpy.load(kept)
    return got["x"], got["y"]


def train_torch(a, seed):
    import torch
    from torch_baseline import build
    torch.set_num_threads(a.threads)
    torch.manual_seed(seed)
    net, _ = build("resnet20")
    for m in net.modules():
        if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
        if isinstance(m, torch.nn.Linear):
            torch.nn.init.zeros_(m.bias)
    net = net.to(memory_format=torch.channels_last)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) * 255 for v in (MEAN, STD))
    x, y = (torch.from_numpy(v) for v in pictures(a.data, "train", a.work))
    N, _, H, W = x.shape
    padded = torch.nn.functional.pad(x, [CROP] * 4)
    rows, columns = torch.arange(H).view(1, 1, H, 1), torch.arange(W).view(1, 1, 1, W)
    opt = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM, nesterov=True, weight_decay=DECAY)
    steps = N // BATCH
    for epoch in range(a.epochs):
        order, start, total = torch.randperm(N), time.time(), 0.0
        for b in range(steps):
            i = order[b * BATCH:(b + 1) * BATCH]
            dy, dx = (torch.randint(0, 2 * CROP + 1, (BATCH, 1, 1, 1)) for _ in range(2))
            flipped = torch.where(torch.rand(BATCH, 1, 1, 1) < 0.5, W - 1 - columns, columns)
            picked = padded[i.view(-1, 1, 1, 1), torch.arange(3).view(1, 3, 1, 1), dy + rows, dx + flipped]
            batch = ((picked.float() - mean) / std).to(memory_format=torch.channels_last)
            for group in opt.param_groups:
                group["lr"] = RATE * factor(epoch + b / steps, a.epochs)
            loss = torch.nn.functional.cross_entropy(net(batch), y[i])
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
            total += loss.item()
        print(f"torch seed {seed} epoch {epoch + 1}/{a.epochs} loss {total / steps:.4f} {time.time() - start:.1f} s", file=sys.stderr, flush=True)
    net.eval()
    x, y = (torch.from_numpy(v) for v in pictures(a.data, "test", a.work))
    with torch.inference_mode():
        logits = torch.cat([net(((x[i:i + 500].float() - mean) / std).to(memory_format=torch.channels_last)) for i in range(0, len(x), 500)])
    return (logits.argmax(1) == y).float().mean().item(), torch.nn.functional.cross_entropy(logits, y).item()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True)
    p.add_argument("--cnnc", default="build/bin/cnnc")
    p.add_argument("--torch-python", default=sys.executable)
    p.add_argument("--epochs", type=int, default=4)
    p.add_argument("--seeds", default="1,2,3")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--work", default="build/accuracy")
    p.add_argument("--torch-seed", type=int, help=argparse.SUPPRESS)
    a = p.parse_args()
    os.makedirs(a.work, exist_ok=True)
    if a.torch_seed is not None:
        print(json.dumps(train_torch(a, a.torch_seed)))
        return
    results = os.path.join(a.work, "results.jsonl")

    def run(side, seed):
        key = {"side": side, "epochs": a.epochs, "seed": seed}
        if os.path.exists(results):
            with open(results) as f:
                for got in map(json.loads, f):
                    if all(got[k] == v for k, v in key.items()):
                        return got
        start = time.time()
        if side == "cnnc":
            accuracy, loss = train_cnnc(a, seed)
        else:
            r = subprocess.run([a.torch_python, os.path.abspath(__file__), "--data", a.data, "--epochs", str(a.epochs), "--threads", str(a.threads),
                                "--work", a.work, "--torch-seed", str(seed)], check=True, stdout=subprocess.PIPE, text=True)
            accuracy, loss = json.loads(r.stdout.strip().splitlines()[-1])
        got = {**key, "accuracy": accuracy, "loss": loss, "seconds": round(time.time() - start)}
        with open(results, "a") as f:
            f.write(json.dumps(got) + "\n")
        return got

    print(f"{'seed':>4} {'epochs':>6} {'PyTorch':>8} {'cnnc':>8} {'difference':>10}", flush=True)
    ours, theirs = [], []
    for seed in map(int, a.seeds.split(",")):
        ours.append(run("cnnc", seed)["accuracy"] * 100)
        theirs.append(run("torch", seed)["accuracy"] * 100)
        print(f"{seed:4} {a.epochs:6} {theirs[-1]:7.2f}% {ours[-1]:7.2f}% {ours[-1] - theirs[-1]:+10.2f}", flush=True)
    difference = statistics.mean(ours) - statistics.mean(theirs)
    spread = math.hypot(*(statistics.stdev(v) / math.sqrt(len(v)) for v in (ours, theirs))) if len(ours) > 1 else float("nan")
    print(f"mean        {statistics.mean(theirs):7.2f}% {statistics.mean(ours):7.2f}% {difference:+10.2f} points, standard error {spread:.2f}")


if __name__ == "__main__":
    main()
