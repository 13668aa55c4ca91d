#!/usr/bin/env python3
"""Drawn programs: the valid ones pass `cnnc check`, and some of them become trainers that take steps and whose gradients are right; the spoilt ones
are refused with the code of what was done to them; those with words shaken are answered one way or the other.

  test/random/check.py CNNC [--count 200] [--compile 10] [--seed 1] [--precision bf16] [--keep FOLDER]

Nothing may crash, take more than 10 s to check, or answer with words of MLIR's.
Out: what went wrong, with the program's number, and counts; exit status 1 if anything did.  A seed makes a run repeatable."""
import argparse
import os
import random
import re
import subprocess
import sys
import tempfile

import draw
import spoil

SECONDS = 10
# A message that is not ours: MLIR's own form, or our name for a mistake of ours.
FOREIGN = re.compile(r"internal error|\bloc\(|'(cnn|linalg|tensor|arith|builtin|func)\.\w+'|\bop \w+ requires|LLVM ERROR|Assertion|Stack dump|terminate called")
CODE = re.compile(r"^error\[(E\d{4})\]", re.M)


def run(words):
    try:
        r = subprocess.run(words, capture_output=True, timeout=SECONDS * 30)
    except subprocess.TimeoutExpired:
        return None, "no answer"
    return r.returncode, r.stderr.decode(errors="replace") + (r.stdout.decode(errors="replace") if r.returncode else "")


class Run:
    def __init__(self, a, folder):
        self.a, self.folder, self.wrong, self.counts = a, folder, 0, {}

    def complain(self, what, name, text, said):
        self.wrong += 1
        print(f"{name}: {what}\n{said[-1500:]}", flush=True)
        if self.a.keep:
            os.makedirs(self.a.keep, exist_ok=True)
            with open(os.path.join(self.a.keep, re.sub(r"\W+", "_", name) + ".cnn"), "w") as f:
                f.write(text)

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def check(self, text):
        self.source = os.path.join(self.folder, "n.cnn")
        with open(self.source, "w") as f:
            f.write(text)
        return run([self.a.cnnc, "check", "-Wnone", self.source])

    def valid(self, name, p):
        text = draw.text(p)
        status, said = self.check(text)
        if status != 0:
            self.complain(f"status {status} for a valid program", name, text, said)
        self.count("valid")
        return status == 0

    def step(self, name, p):
        """The program as a trainer: two kinds of step, and in f64 its gradients."""
        text, trainer = draw.text(p), os.path.join(self.folder, "n")
        status, said = run([self.a.cnnc, "-Wnone", "--precision", self.a.precision or p.precision, self.source, "-o", trainer])
        if status != 0:
            return self.complain(f"status {status} from the compiler", name, text, said)
        commands = [["bench", "--what", "train", "--seconds", "0", "--threads", "2"], ["bench", "--what", "infer", "--seconds", "0", "--batch", "3"]]
        if (self.a.precision or p.precision) == "f64":
            commands.append(["check-gradients", "--samples", "2"])
        for command in commands:
            status, said = run([trainer, *command])
            if status != 0:
                self.complain(f"status {status} from {command[0]}", name, text, said)
        self.count("compiled")

    def spoilt(self, name, r, p, kind):
        made = spoil.spoil(r, p, kind)
        if made is None:
            return
        text, code = made
        status, said = self.check(text)
        codes = CODE.findall(said)
        if status != 1 or code not in codes or FOREIGN.search(said):
            self.complain(f"{kind}: status {status}, codes {codes}, expected {code}", f"{name} {kind}", text, said)
        self.count("spoilt")
        self.kinds.add(kind)

    def shaken(self, name, r, p):
        text = spoil.shaken(r, draw.text(p))
        status, said = self.check(text)
        if status not in (0, 1) or status == 1 and not CODE.search(said) or FOREIGN.search(said):
            self.complain(f"status {status} for words shaken", f"{name} shaken", text, said)
        elif status == 0:  # what passes the checks passes the verifier
            status, said = run([self.a.cnnc, "-Wnone", "--emit=cnn", self.source, "-o", os.devnull])
            if status != 0 and not (status == 3 and "bf16" in said) and "error[E0502]" not in said and "error[E0103]" not in said or FOREIGN.search(said):
                self.complain(f"status {status} of --emit=cnn after the checks", f"{name} shaken", text, said)
        self.count("shaken")

    def all(self):
        self.kinds = set()
        kinds = list(spoil.KINDS)
        for number in range(self.a.count):
            r = random.Random(f"{self.a.seed}/{number}")
            p, name = draw.program(r), f"program {number} of seed {self.a.seed}"
            good = self.valid(name, p)
            if good and number < self.a.compile:
                self.step(name, p)
            for k in range(self.a.spoilt):
                self.spoilt(name, r, p, kinds[(number * self.a.spoilt + k) % len(kinds)])
            self.shaken(name, r, p)
        if self.a.count * self.a.spoilt >= 4 * len(kinds) and self.kinds != set(kinds):
            self.complain("never done", "kinds of mistakes", "", ", ".join(set(kinds) - self.kinds))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("cnnc")
    p.add_argument("--count", type=int, default=200, help="programs")
    p.add_argument("--compile", type=int, default=10, help="of which become trainers")
    p.add_argument("--spoilt", type=int, default=2, help="mistakes tried on each, kind by kind")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--precision", help="of the trainers, in place of the drawn one")
    p.add_argument("--keep", help="folder in which the programs that went wrong stay")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        r = Run(a, folder)
        r.all()
        print(", ".join(f"{n} {what}" for what, n in r.counts.items()) + f": {r.wrong} wrong")
    return 1 if r.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
