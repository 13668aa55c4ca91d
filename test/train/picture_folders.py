#!/usr/bin/env python3
"""Writes folders of small grey PNGs, a folder a class: bright above, bright below.
In: FOLDER NUMBER.  Out: FOLDER/train and FOLDER/test, each with `bright above` and `bright below`, NUMBER pictures of 8x8 in each."""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples"))
from idx_to_png import png

folder, number = sys.argv[1], int(sys.argv[2])
numbers = random.Random(1)
for part in ("train", "test"):
    for name, bright in (("bright above", range(4)), ("bright below", range(4, 8))):
        os.makedirs(os.path.join(folder, part, name))
        for i in range(number):
            rows = [bytes(numbers.randrange(200, 256) if r in bright else numbers.randrange(50) for _ in range(8)) for r in range(8)]
            with open(os.path.join(folder, part, name, f"{i}.png"), "wb") as f:
                f.write(png(rows))
