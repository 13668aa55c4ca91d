#!/usr/bin/env python3
"""Times the trainers of bench/nets alone; compare.py sets them against PyTorch.

  ./dev bench [--nets lenet,vgg] [--what train,infer] [--batch 128] [--threads 1,2] [--dtype f32] [--seconds 4]

A line per network, mode and number of threads: median and least milliseconds of a step, images a second, peak memory."""
import argparse
import json
import os
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--cnnc", default="build/bin/cnnc")
    p.add_argument("--nets", default="mlp,lenet,vgg,resnet20,resnet18")
    p.add_argument("--what", default="train")
    p.add_argument("--batch", default="128")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--dtype", default="f32")
    p.add_argument("--seconds", default="4")
    a = p.parse_args()
    print(f"{'net':9} {'what':5} {'dtype':5} {'batch':>5} {'thr':>3} {'ms':>9} {'least ms':>9} {'img/s':>9} {'MiB':>6}", flush=True)
    with tempfile.TemporaryDirectory() as work:
        for net in a.nets.split(","):
            trainer = os.path.join(work, net)
            subprocess.run([a.cnnc, os.path.join(HERE, "nets", net + ".cnn"), "--batch", a.batch, "--precision", a.dtype, "-o", trainer], check=True)
            for what in a.what.split(","):
                for threads in a.threads.split(","):
                    r = subprocess.run([trainer, "bench", "--what", what, "--batch", a.batch, "--threads", threads, "--seconds", a.seconds, "--json"],
                                       check=True, capture_output=True, text=True)
                    got = json.loads(r.stdout.strip().splitlines()[-1])
                    print(f"{net:9} {what:5} {a.dtype:5} {a.batch:>5} {threads:>3} {got['ms']:9.2f} {got['ms_min']:9.2f} {got['img_s']:9.0f} "
                          f"{got['peak_mib']:6}", flush=True)


if __name__ == "__main__":
    main()
