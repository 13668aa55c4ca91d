#!/usr/bin/env python3
"""Small work against its rivals, turn and turn about: training at small batches, inference, the way to the first step.

  bench/small.py --torch-python VENV/bin/python [--what train,infer,start] [--nets lenet,vgg] [--batch 1,2,4,8] [--infer-batch 1,32,128]
                 [--threads 1,2] [--rounds 3]

train: a step at batches of 1 to 8 against PyTorch's fastest of {eager, compile} x {nchw, nhwc}.
infer: a program of `cnnc --inference` against the faster of PyTorch (inference_mode, the same four forms) and onnxruntime on the file that our
`export --onnx` writes.
start: `bench --once` of lenet, from the call of the program to its end with one step of training between: wall-clock milliseconds, the median
of twenty. The rival is the same program for PyTorch, eager.
Set-up: VENV/bin/pip install torch numpy onnxruntime. Nothing else should run beside it."""
import argparse
import os
import statistics
import subprocess
import tempfile
import time

from measure import HERE, add_arguments, add_rival_arguments, compile_net, fastest_torch, in_turn, means, median_ms, onnxruntime, ours, torch

STARTS, TORCH_STARTS = 20, 3


def print_row(net, what, batch, threads, rival, mine, name):
    print(f"{net:9} {what:5} {batch:>5} {threads:>3} {rival:10.3f} {mine:9.3f} {rival / mine:6.2f}  {name}", flush=True)
    return rival / mine


def train(a, work):
    for net in a.nets.split(","):
        for batch in a.batch.split(","):
            trainer = compile_net(a, net, batch, work)
            for threads in a.threads.split(","):
                form = fastest_torch(a, net, "train", batch, threads)
                o, t = in_turn(a.rounds, lambda: ours(a, trainer, "train", batch, threads), lambda: torch(a, net, "train", batch, threads, *form))
                yield print_row(net, "train", batch, threads, median_ms(t), median_ms(o), "torch " + "/".join(form))


def infer(a, work):
    for net in a.nets.split(","):
        for batch in a.infer_batch.split(","):
            trainer, program = compile_net(a, net, batch, work), compile_net(a, net, batch, work, "--inference")
            for threads in a.threads.split(","):
                form = fastest_torch(a, net, "infer", batch, threads)
                rows = in_turn(a.rounds, lambda: ours(a, program, "infer", batch, threads), lambda: torch(a, net, "infer", batch, threads, *form),
                               lambda: onnxruntime(a, trainer, batch, threads))
                o, t, x = (median_ms(r) for r in rows)
                yield print_row(net, "infer", batch, threads, min(t, x), o, "torch " + "/".join(form) if t < x else "onnxruntime")


def wall_ms(command, times):
    def once():
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return (time.perf_counter() - start) * 1e3
    return statistics.median(once() for _ in range(times))


def start(a, work):
    for batch in ("1", "32", "128"):
        trainer = compile_net(a, "lenet", batch, work)
        for threads in a.threads.split(","):
            rival = wall_ms([a.torch_python, os.path.join(HERE, "torch_baseline.py"), "--net", "lenet", "--threads", threads, "--batch", batch, "--once"],
                            TORCH_STARTS)
            yield print_row("lenet", "start", batch, threads, rival, wall_ms([trainer, "bench", "--once", "--threads", threads], STARTS), "torch eager/nchw")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(p, batch="1,2,4,8")
    add_rival_arguments(p)
    p.add_argument("--what", default="train,infer,start")
    p.add_argument("--infer-batch", default="1,32,128")
    a = p.parse_args()
    parts = {"train": train, "infer": infer, "start": start}
    summary = []
    print(f"{'net':9} {'what':5} {'batch':>5} {'thr':>3} {'rival ms':>10} {'ours ms':>9} {'ratio':>6}  fastest rival", flush=True)
    with tempfile.TemporaryDirectory() as work:
        for what in a.what.split(","):
            summary.append(f"{what}: {means(list(parts[what](a, work)))}")
    print("\n".join(summary))


if __name__ == "__main__":
    main()
