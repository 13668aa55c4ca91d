#!/usr/bin/env python3
"""Times the trainers of bench/nets alone; compare.py sets them against PyTorch.

  ./dev bench [--nets lenet,vgg] [--what train,infer] [--batch 128] [--threads 1,2] [--dtype f32] [--seconds 4]

A line per network, mode and number of threads: median and least milliseconds of a step, images a second, peak memory."""
import argparse
import tempfile

from measure import add_arguments, compile_net, ours


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(p)
    p.add_argument("--what", default="train")
    a = p.parse_args()
    print(f"{'net':9} {'what':5} {'dtype':5} {'batch':>5} {'thr':>3} {'ms':>9} {'least ms':>9} {'img/s':>9} {'MiB':>6}", flush=True)
    with tempfile.TemporaryDirectory() as work:
        for net in a.nets.split(","):
            for batch in a.batch.split(","):
                trainer = compile_net(a, net, batch, work)
                for what in a.what.split(","):
                    for threads in a.threads.split(","):
                        got = ours(a, trainer, what, batch, threads)
                        print(f"{net:9} {what:5} {a.dtype:5} {batch:>5} {threads:>3} {got['ms']:9.2f} {got['ms_min']:9.2f} {got['img_s']:9.0f} "
                              f"{got['peak_mib']:6}", flush=True)


if __name__ == "__main__":
    main()
