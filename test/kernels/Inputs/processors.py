"""Compiles for the levels of x86-64 and looks for instructions and registers that a level lacks.
In: CNNC, a NETWORK, a FOLDER to work in; llvm-objdump on the path.
Out: status 1 and what was found; also where a level's code has nothing that the level below lacks, which would mean that nothing was looked at."""
import os
import re
import subprocess
import sys

# What a level adds (x86-64 psABI, "micro-architecture levels"): patterns of mnemonics, and of registers.
ADDED = {
    "x86-64-v2": (r"(addsub|h(add|sub)|movs[lh]dup|movddup|lddqu|pabs|palignr|ph(add|sub)|psign|pmaddubs|pmulhrsw|pshufb|blend|pblend|dpp|"
                  r"extractps|insertps|mpsadbw|packusdw|pcmpeqq|pcmpgtq|pextr[bdq]|pinsr[bdq]|pmax(sb|sd|ud|uw)|pmin(sb|sd|ud|uw)|pmov[sz]x|"
                  r"pmuldq|pmulld|ptest|round|crc32|popcnt|cmpxchg16b)", None),
    "x86-64-v3": (r"(v[a-z]|andn[lq]?$|bextr|bls[ir]|blsmsk|[lt]zcnt|movbe|bzhi|mulx|pdep|pext[lq]?$|rorx|sarx|shlx|shrx)", r"%ymm"),
    "x86-64-v4": (r"(k(mov|and|or|xor|not|test|shift|unpck|add)[a-z]*[bwdq])", r"%zmm|%k[0-7]\b|%[xy]mm(1[6-9]|2\d|3[01])\b"),
}
LEVELS = ["x86-64", *ADDED]

cnnc, network, folder = sys.argv[1:]
failures = []
for precision in ("f32", "f64"):
    for number, level in enumerate(LEVELS):
        obj = os.path.join(folder, "n.o")
        subprocess.run([cnnc, network, "-Wnone", "--precision", precision, "--mcpu", level, "--emit=obj", "-o", obj], check=True)
        lines = subprocess.run(["llvm-objdump", "-d", "--no-show-raw-insn", "--no-leading-addr", obj], check=True, capture_output=True, text=True).stdout
        words = [line.split("#")[0].split(None, 1) for line in lines.splitlines() if line.startswith(("\t", " "))]
        instructions = {(w[0], w[1] if len(w) > 1 else "") for w in words if w}
        assert len(instructions) > 100, "nothing was disassembled"
        for other, (mnemonics, registers) in ADDED.items():
            found = {m for m, rest in instructions if re.match(mnemonics, m) or registers and re.search(registers, rest)}
            if found and LEVELS.index(other) > number:
                failures.append(f"{precision} {level}: {', '.join(sorted(found)[:8])} of {other}")
            if not found and other == level:
                failures.append(f"{precision} {level}: nothing that {LEVELS[number - 1]} lacks")
sys.exit("\n".join(failures) or 0)
