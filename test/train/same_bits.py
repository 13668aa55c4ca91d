"""A probe of each network of a folder with several numbers of threads, in each precision.
In: CNNC NETWORKS FOLDER [--batch N] [--threads 1,2,3,4] [--precisions f32,f64].
Out: exit status 1 and the name where a file of logits, gradients and new values differs from that of one thread, or where another seed's does not.

The batch is odd, so that no number of threads divides it."""
import argparse
import filecmp
import glob
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "numeric"))
import tensors


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("cnnc")
    p.add_argument("networks")
    p.add_argument("folder")
    p.add_argument("--batch", default="3")
    p.add_argument("--threads", default="1,2,3,4")
    p.add_argument("--precisions", default="f32,f64")
    a = p.parse_args()
    failures, paths = [], sorted(glob.glob(os.path.join(a.networks, "*.cnn")))
    assert len(paths) == 5, "the five networks of the benchmarks"
    for path in paths:
        for precision in a.precisions.split(","):
            name = f"{os.path.basename(path)} {precision}"
            trainer, given = os.path.join(a.folder, "trainer"), os.path.join(a.folder, "in.st")
            subprocess.run([a.cnnc, path, "-Wnone", "--precision", precision, "--batch", a.batch, "-o", trainer], check=True)
            info = json.loads(subprocess.run([trainer, "info", "--json"], check=True, capture_output=True, text=True).stdout)
            r, n = random.Random(name), info["batch"]
            x = [r.gauss(0, 1) for _ in range(n * tensors.count(info["input"]))]
            tensors.write(given, {"x": tensors.Tensor([n, *info["input"]], x), "y": tensors.draw_labels(name, n, info["classes"])}, dtype="F64" if precision == "f64" else "F32")

            def probe(threads, seed="1"):
                out = os.path.join(a.folder, f"{threads}-{seed}.st")
                subprocess.run([trainer, "probe", "--in", given, "--out", out, "--threads", threads, "--seed", seed], check=True)
                return out

            one = probe(a.threads.split(",")[0])
            failures += [f"{name}: other bits on {t} threads" for t in a.threads.split(",")[1:] if not filecmp.cmp(one, probe(t), shallow=False)]
            if filecmp.cmp(one, probe("1", "2"), shallow=False):
                failures.append(f"{name}: another seed has the same bits")
    sys.exit("\n".join(failures) or 0)


if __name__ == "__main__":
    main()
