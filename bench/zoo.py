#!/usr/bin/env python3
"""Networks of examples/ against torchvision's of the same name or onnxruntime, turn and turn about, at the example's size of image.

  bench/zoo.py --torch-python VENV/bin/python [--what train|infer] [--nets resnet50,mobilenet_v2] [--batch 8] [--threads 2] [--seconds 4] [--rounds 2]

train: a step is forward, cross-entropy, backward and an update by SGD with momentum on data in memory; PyTorch runs eager in the better of NCHW and NHWC. Ours takes
the optimiser of the example.
infer: a program of `cnnc --inference` against onnxruntime on the file that our `export --onnx` writes, normalisation folded into the convolutions on both sides.
A line a network: milliseconds of each one's fastest step, and the ratio.
Set-up: VENV/bin/pip install torch torchvision onnxruntime numpy. Nothing else should run beside it."""
import argparse
import json
import os
import subprocess
import tempfile

from measure import HERE, add_arguments, compile_net, json_line, onnxruntime, ours

NETS = "resnet50,densenet121,mobilenet_v2,efficientnet_b0,googlenet,squeezenet"
NAMES = {"squeezenet": "squeezenet1_1"}
TORCH = """
import json, sys, time, torch, torchvision
name, batch, threads, side, seconds = sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5])
torch.set_num_threads(threads)
def step_ms(layout):
    extra = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    model, x, y = getattr(torchvision.models, name)(**extra).train(), torch.randn(batch, 3, side, side), torch.randint(0, 1000, (batch,))
    model, x = model.to(memory_format=layout), x.contiguous(memory_format=layout)
    optimizer, best, end = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9), float("inf"), time.time() + seconds
    for n in range(1 << 30):
        start = time.time()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        best = min(best, time.time() - start)
        if n >= 2 and time.time() > end:
            return 1e3 * best
print(json.dumps({"nchw": step_ms(torch.contiguous_format), "nhwc": step_ms(torch.channels_last)}))
"""


def train(a, work, net, source, batch, threads):
    """-> PyTorch's fastest step, ours, the layout"""
    shown = subprocess.run([a.cnnc, "show", "--json", source], check=True, capture_output=True, text=True)
    side = json.loads(shown.stdout)["layers"][0]["output"][1]
    program, mine, rival = compile_net(a, source, batch, work), float("inf"), {}
    for _ in range(a.rounds):
        given = [NAMES.get(net, net), batch, threads, str(side), str(a.seconds)]
        for layout, ms in json_line([a.torch_python, "-c", TORCH, *given]).items():
            rival[layout] = min(ms, rival.get(layout, float("inf")))
        mine = min(mine, ours(a, program, "train", batch, threads)["ms_min"])
    best = min(rival, key=rival.get)
    return rival[best], mine, "torch " + best


def infer(a, work, net, source, batch, threads):
    """-> onnxruntime's fastest run, ours, its name"""
    trainer, program = compile_net(a, source, batch, work), compile_net(a, source, batch, work, "--inference")
    mine, rival = float("inf"), float("inf")
    for _ in range(a.rounds):
        rival = min(rival, onnxruntime(a, trainer, batch, threads)["ms_min"])
        mine = min(mine, ours(a, program, "infer", batch, threads)["ms_min"])
    return rival, mine, "onnxruntime"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(p, nets=NETS, batch="8", threads="2")
    p.add_argument("--torch-python", required=True)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--what", default="train", choices=("train", "infer"))
    a = p.parse_args()
    print(f"{'net':16} {'what':5} {'batch':>5} {'thr':>3} {'rival ms':>9} {'ours ms':>8} {'ratio':>6}  rival", flush=True)
    with tempfile.TemporaryDirectory() as work:
        for net in a.nets.split(","):
            source = os.path.join(HERE, "..", "examples", net + ".cnn")
            for batch in a.batch.split(","):
                for threads in a.threads.split(","):
                    rival, mine, name = {"train": train, "infer": infer}[a.what](a, work, net, source, batch, threads)
                    print(f"{net:16} {a.what:5} {batch:>5} {threads:>3} {rival:9.1f} {mine:8.1f} {rival / mine:6.2f}  {name}", flush=True)


if __name__ == "__main__":
    main()
