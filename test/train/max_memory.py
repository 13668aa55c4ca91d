#!/usr/bin/env python3
"""Trainers made with the least --max-memory that the compiler says is met, against trainers without.
In: CNNC FOLDER NETWORKS... [--batch N] [--precision f32] [--drawn N] [--seed 1] [--peak].
Out: exit status 1 and the name where logits, gradients, new values or statistics differ in a bit on 1 or 2 threads, where nothing is made again,
or, with --peak, where the resident memory on 4 threads is over the bound (by more than the 2 % to which it is predicted).

--drawn adds networks drawn from the whole language (test/random); the smallest of them have nothing to make again."""
import argparse
import filecmp
import json
import os
import random
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "numeric"), os.path.join(HERE, "..", "random"), os.path.join(HERE, "..", "..", "bench")]
import draw
import memory
import tensors

PREDICTED = 1.02  # of what show --memory says


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("cnnc")
    p.add_argument("folder")
    p.add_argument("networks", nargs="*")
    p.add_argument("--batch", default="32")
    p.add_argument("--precision", default="f32")
    p.add_argument("--mcpu", default="native")
    p.add_argument("--drawn", type=int, default=0)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--peak", action="store_true")
    a = p.parse_args()
    options = ["-Wnone", "--batch", a.batch, "--precision", a.precision, "--mcpu", a.mcpu]
    failures, again, paths = [], 0, list(a.networks)
    for number in range(a.drawn):
        paths.append(os.path.join(a.folder, f"drawn{number}.cnn"))
        with open(paths[-1], "w") as f:
            f.write(draw.text(draw.program(random.Random(f"{a.seed}/{number}"))))
    for path in paths:
        name = os.path.basename(path)
        trainer, given = os.path.join(a.folder, "trainer"), os.path.join(a.folder, "in.st")
        refusal = subprocess.run([a.cnnc, path, *options, "--max-memory", "1KB", "-o", trainer], capture_output=True, text=True)
        least = re.search(r"help: --max-memory (\d+)MiB is met", refusal.stderr)
        if refusal.returncode != 1 or "error[E0602]" not in refusal.stderr or not least:
            sys.exit(f"{name}: not refused: {refusal.stderr}")
        bound = int(least[1]) << 20
        subprocess.run([a.cnnc, path, *options, "-o", trainer], check=True)
        subprocess.run([a.cnnc, path, *options, "--max-memory", least[1] + "MiB", "-o", trainer + "-less"], check=True)
        arenas = [json.loads(subprocess.run([t, "info", "--json"], check=True, capture_output=True, text=True).stdout)["memory"]["train_arena"] for t in (trainer, trainer + "-less")]
        again += arenas[1] < arenas[0]
        if path in a.networks and arenas[1] >= arenas[0]:
            failures.append(f"{name}: nothing is made again for {least[1]} MiB")
        info = json.loads(subprocess.run([trainer, "info", "--json"], check=True, capture_output=True, text=True).stdout)
        r, n = random.Random(name), info["batch"]
        x = [r.gauss(0, 1) for _ in range(n * tensors.count(info["input"]))]
        tensors.write(given, {"x": tensors.Tensor([n, *info["input"]], x), "y": tensors.draw_labels(name, n, info["classes"])}, dtype="F64" if a.precision == "f64" else "F32")

        def probe(program, threads):
            out = f"{program}-{threads}.st"
            subprocess.run([program, "probe", "--in", given, "--out", out, "--threads", threads, "--seed", "1"], check=True)
            return out

        one = probe(trainer, "1")
        failures += [f"{name}: other bits on {t} threads within {least[1]} MiB" for t in "12" if not filecmp.cmp(one, probe(trainer + "-less", t), shallow=False)]
        if a.peak and (most := memory.peak_bytes(trainer + "-less", "4")) > bound * PREDICTED:
            failures.append(f"{name}: {most / 2**20:.1f} MiB are resident, {least[1]} MiB is the bound")
    if a.drawn and not again:
        failures.append("nothing is made again in any drawn network")
    print(f"{len(paths)} networks, {again} with kernels made again: {len(failures)} wrong")
    sys.exit("\n".join(failures) or 0)


if __name__ == "__main__":
    main()
