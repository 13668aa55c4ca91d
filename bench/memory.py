#!/usr/bin/env python3
"""The peak memory of trainers against what `cnnc show --memory` says.

  bench/memory.py [--cnnc build/bin/cnnc] [--nets mlp,lenet,...] [--batch 32,128] [--threads 1,2,3,4] [--bound 0.02]

The peak is VmHWM of `bench`, as the kernel counts it. Exit status 1 where a prediction is off by more than the bound, and by more than
PAGES: how much of a program's file and of libc is mapped around a fault differs from system to system, which a trainer of 10 MiB notices."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from measure import HERE, add_arguments, compile_net

PAGES = 400 << 10  # bytes


def peak_bytes(program, threads):
    """Asked while it runs: what wait4 gives begins with the size of the parent at the fork."""
    child = subprocess.Popen([program, "bench", "--seconds", "0.5", "--threads", threads], stdout=subprocess.DEVNULL)
    most = 0
    while child.poll() is None:
        with open(f"/proc/{child.pid}/status") as f:
            most = max([most] + [int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM")])
        time.sleep(0.01)
    if child.returncode:
        raise SystemExit(f"{program} ended with {child.returncode}")
    return most


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(p, batch="32,128", threads="1,2,3,4")
    p.add_argument("--bound", type=float, default=0.02)
    a = p.parse_args()
    worst, failed = 0.0, False
    print(f"{'net':9} {'batch':>5} {'thr':>3} {'said MiB':>9} {'MiB':>9} {'off':>7}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for net in a.nets.split(","):
            for batch in a.batch.split(","):
                said = json.loads(subprocess.run([a.cnnc, "show", "--memory", "--json", os.path.join(HERE, "nets", net + ".cnn"), "-Wnone", "--batch", batch,
                                                  "--precision", a.dtype], check=True, capture_output=True, text=True).stdout)
                program = compile_net(a, net, batch, folder)
                for threads in a.threads.split(","):
                    predicted, measured = said["peak_bytes_on"][int(threads) - 1], peak_bytes(program, threads)
                    off = predicted / measured - 1
                    worst = max(worst, abs(off))
                    failed |= abs(off) > a.bound and abs(predicted - measured) > PAGES
                    print(f"{net:9} {batch:>5} {threads:>3} {predicted / 2**20:9.2f} {measured / 2**20:9.2f} {off:+7.2%}", flush=True)
    print(f"largest difference: {worst:.2%}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
