#!/usr/bin/env python3
"""A trainer is one self-contained file.
In: TRAINER.
Out: exit status 1 where it needs a library beside libc and libm, has 8 MB or more, or takes long to start."""
import os
import re
import subprocess
import sys
import time

ALLOWED = re.compile(r"linux-vdso\.so|/ld-linux|libc\.so|libm\.so|statically linked|not a dynamic executable")
MOST_BYTES = 8_000_000
MOST_SECONDS = 0.5  # a few milliseconds are usual; a loaded machine takes longer
TRIES = 5


def main():
    trainer, wrong = sys.argv[1], []
    listing = subprocess.run(["ldd", trainer], capture_output=True, text=True)
    for line in (listing.stdout + listing.stderr).splitlines():
        if not ALLOWED.search(line):
            wrong.append(f"it needs {line.strip()}")
    size = os.path.getsize(trainer)
    if size >= MOST_BYTES:
        wrong.append(f"it has {size} bytes, the limit is {MOST_BYTES}")
    seconds = []
    for _ in range(TRIES):
        start = time.monotonic()
        subprocess.run([trainer, "info", "--json"], stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.monotonic() - start)
    if min(seconds) > MOST_SECONDS:
        wrong.append(f"it takes {min(seconds):.2f} s to start, the limit is {MOST_SECONDS}")
    print(f"{size} bytes, {min(seconds) * 1e3:.1f} ms to start")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
