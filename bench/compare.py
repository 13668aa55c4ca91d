#!/usr/bin/env python3
"""Compare cnnc's trainers with PyTorch, turn and turn about in one run, and print the ratio.

  bench/compare.py --torch-python VENV/bin/python [--cnnc build/bin/cnnc] [--nets lenet,vgg] [--what train,infer]
             [--batch 128] [--threads 1,2] [--dtype f32] [--rounds 3] [--target cpu|cuda]

Per network: PyTorch's fastest of {eager, compile} x {nchw, nhwc} is found once, then the two programs alternate for some
rounds; the ratio is median(PyTorch ms) / median(our ms), so more than 1 means that we are faster.  Set-up for PyTorch:
`python3 -m venv VENV && VENV/bin/pip install torch numpy` (any 2.x).  Nothing else should run beside it.
"""
import argparse
import tempfile

from measure import add_arguments, add_rival_arguments, compile_net, fastest_torch, in_turn, means, median_ms, ours, torch


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(p)
    add_rival_arguments(p)
    p.add_argument("--what", default="train")
    a = p.parse_args()
    ratios = []
    print(f"{'net':9} {'what':5} {'dtype':5} {'batch':>5} {'thr':>3} {'torch ms':>9} {'ours ms':>9} {'ratio':>6}  {'torch MiB':>9} "
          f"{'ours MiB':>8}  fastest PyTorch", flush=True)
    with tempfile.TemporaryDirectory() as work:
        for net in a.nets.split(","):
            for batch in a.batch.split(","):
                trainer = compile_net(a, net, batch, work)
                for what in a.what.split(","):
                    for threads in a.threads.split(","):
                        best = fastest_torch(a, net, what, batch, threads)
                        o, t = in_turn(a.rounds, lambda: ours(a, trainer, what, batch, threads), lambda: torch(a, net, what, batch, threads, *best))
                        tm, om = median_ms(t), median_ms(o)
                        ratios.append(tm / om)
                        print(f"{net:9} {what:5} {a.dtype:5} {batch:>5} {threads:>3} {tm:9.2f} {om:9.2f} {tm / om:6.2f}  "
                              f"{t[0]['peak_mib']:9} {o[0]['peak_mib']:8}  {'/'.join(best)}", flush=True)
    print(means(ratios))


if __name__ == "__main__":
    main()
