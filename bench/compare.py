#!/usr/bin/env python3
"""Compare cnnc's trainers with PyTorch, turn and turn about in one run, and print the ratio.

  bench/compare.py --torch-python VENV/bin/python [--cnnc build/bin/cnnc] [--nets lenet,vgg] [--what train,infer]
             [--batch 128] [--threads 1,2] [--dtype f32] [--rounds 3] [--target cpu|cuda]

Per network: PyTorch's fastest of {eager, compile} x {nchw, nhwc} is found once, then the two programs alternate for some
rounds; the ratio is median(PyTorch ms) / median(our ms), so more than 1 means that we are faster.  Set-up for PyTorch:
`python3 -m venv VENV && VENV/bin/pip install torch numpy` (any 2.x).  Nothing else should run beside it.
"""
import argparse, json, os, statistics, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def line(cmd):
    r = subprocess.run(cmd, capture_output=True, text=True)
    if r.returncode:
        raise SystemExit(f"{' '.join(cmd)}\n{r.stderr[-2000:]}")
    return json.loads(r.stdout.strip().splitlines()[-1])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--cnnc", default="build/bin/cnnc")
    p.add_argument("--torch-python", required=True)
    p.add_argument("--nets", default="mlp,lenet,vgg,resnet20,resnet18")
    p.add_argument("--what", default="train")
    p.add_argument("--batch", default="128")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--dtype", default="f32")
    p.add_argument("--target", default="cpu")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=4)
    p.add_argument("--no-compile", action="store_true", help="skip torch.compile (slow to start)")
    a = p.parse_args()
    ratios = []
    print(f"{'net':9} {'what':5} {'dtype':5} {'batch':>5} {'thr':>3} {'torch ms':>9} {'ours ms':>9} {'ratio':>6}  {'torch MiB':>9} "
          f"{'ours MiB':>8}  fastest PyTorch", flush=True)
    with tempfile.TemporaryDirectory() as work:
        for net in a.nets.split(","):
            for batch in a.batch.split(","):
                exe = os.path.join(work, f"{net}-{batch}")
                subprocess.run([a.cnnc, os.path.join(HERE, "nets", net + ".cnn"), "--batch", batch, "--precision", a.dtype,
                                "--target", a.target, "-o", exe], check=True)
                for what in a.what.split(","):
                    for threads in a.threads.split(","):
                        def torch(mode, layout, seconds):
                            return line([a.torch_python, os.path.join(HERE, "torch_baseline.py"), "--net", net, "--what", what,
                                         "--mode", mode, "--layout", layout, "--dtype", a.dtype, "--threads", threads, "--batch", batch,
                                         "--device", a.target, "--seconds", str(seconds)])
                        def ours():
                            return line([exe, "bench", "--what", what, "--threads", threads, "--batch", batch,
                                         "--seconds", str(a.seconds), "--json"])
                        modes = [("eager", "nchw"), ("eager", "nhwc")]
                        if not a.no_compile:
                            modes += [("compile", "nchw"), ("compile", "nhwc")]
                        best = min(modes, key=lambda m: torch(*m, 2)["ms"])
                        t, o = [], []
                        for _ in range(a.rounds):
                            o.append(ours())
                            t.append(torch(*best, a.seconds))
                        tm, om = (statistics.median(r["ms"] for r in rows) for rows in (t, o))
                        ratios.append(tm / om)
                        print(f"{net:9} {what:5} {a.dtype:5} {batch:>5} {threads:>3} {tm:9.2f} {om:9.2f} {tm / om:6.2f}  "
                              f"{t[0]['peak_mib']:9} {o[0]['peak_mib']:8}  {'/'.join(best)}", flush=True)
    print(f"geometric mean of the ratios: {statistics.geometric_mean(ratios):.2f}, least: {min(ratios):.2f}")


if __name__ == "__main__":
    main()
