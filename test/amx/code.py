#!/usr/bin/env python3
"""Reads the disassembly of kernels for AMX.
In: llvm-objdump's output, the products that two tiles make (1; 3 of parts of f32).  Out: a line a function with products of tiles; exit status 1
where there are fewer than 4 such functions, where one configures its tiles more than once and once behind each call, where between a loop's label
and its jump back tiles that were multiplied are stored and loaded again, or where the loop loads more than each of its tiles once."""
import re
import sys

# (products, loads) of two tiles with two, two with one, and one with one.
once = {1: {(4, 4), (2, 3), (1, 2)}, 3: {(12, 8), (6, 6), (3, 4)}}[int(sys.argv[2])]
functions = re.split(r"^[0-9a-f]+ <(.*)>:$", open(sys.argv[1], encoding="utf-8").read(), flags=re.M)
found = failed = 0
for name, body in zip(functions[1::2], functions[2::2]):
    lines = [(int(m[1], 16), m[2], m[3]) for m in re.finditer(r"^\s*([0-9a-f]+):\s+(\S+)[ \t]*(.*)$", body, flags=re.M)]
    if not any(op == "tdpbf16ps" for _, op, _ in lines):
        continue
    found += 1
    configurations = sum(op == "ldtilecfg" for _, op, _ in lines)
    calls = sum(op.startswith("call") for _, op, _ in lines)
    spills = loads = 0
    for at, op, rest in lines:
        target = re.match(r"(?:0x)?([0-9a-f]+)", rest) if op.startswith("j") else None
        if not target or not int(target[1], 16) <= at:
            continue
        loop = [o for a, o, _ in lines if int(target[1], 16) <= a <= at]
        jumps = sum(o.startswith("j") for o in loop)
        if jumps == 1 and "tdpbf16ps" in loop:
            spills += "tilestored" in loop or "ldtilecfg" in loop
            loads += (loop.count("tdpbf16ps"), loop.count("tileloadd")) not in once
    print(f"{name}: {configurations} ldtilecfg, {spills} loops with spills, {loads} that load a tile twice")
    failed |= not 1 <= configurations <= 1 + calls or spills > 0 or loads > 0
sys.exit(failed or found < 4)
