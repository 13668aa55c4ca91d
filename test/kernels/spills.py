#!/usr/bin/env python3
"""Looks for register tiles whose sums LLVM keeps on the stack: spills.py FILE.s [--most 0.25]

In each loop of one block with at least 16 multiply-adds it counts the vectors that go to the stack and come back; prints the loops where they are more than
--most of the multiply-adds, and a last line with the number of loops looked at."""
import argparse
import re

FMA = re.compile(r"\tv(fn?madd|fmsub|dpbf16)\w*\t")
SLOT = re.compile(r"\tv\w+\t(-?\d*\(%r[sb]p\), .*%[xyz]mm|%[xyz]mm\d+, -?\d*\(%r[sb]p\))")
FEWEST = 16


def loops(path):
    """(function, lines) of each block that jumps to its own beginning."""
    function = label = None
    block = []
    with open(path) as f:
        for line in f:
            if m := re.match(r"(\.LBB\w+|[A-Za-z_]\w*):", line):
                if not m[1].startswith(".L"):
                    function = m[1]
                label, block = m[1], []
                continue
            block.append(line)
            if m := re.match(r"\tj\w+\t(\.LBB\w+)", line):
                if m[1] == label:
                    yield function, block
                label, block = None, []


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("file")
    p.add_argument("--most", type=float, default=0.25)
    a = p.parse_args()
    seen = 0
    for function, block in loops(a.file):
        products = sum(bool(FMA.match(line)) for line in block)
        if products < FEWEST:
            continue
        seen += 1
        spills = sum(bool(SLOT.match(line)) for line in block)
        if spills > a.most * products:
            print(f"{function}: {spills} vectors through the stack for {products} multiply-adds")
    print(f"{seen} loops")


if __name__ == "__main__":
    main()
