#!/usr/bin/env python3
"""A tiny IDX set for the tests: 1x8x8 images of 4 classes, each a bright quarter under noise.
In: a directory, options.  Out: train-images, train-labels (gzip), test-images, test-labels (plain), one.png."""
import argparse, gzip, os, random, struct, zlib


def idx(dims, data):
    return bytes([0, 0, 8, len(dims)]) + b"".join(struct.pack(">I", d) for d in dims) + bytes(data)


def part(n, classes, rng):
    pixels, labels = bytearray(), bytearray()
    for i in range(n):
        k = i % classes
        labels.append(k)
        for h in range(8):
            for w in range(8):
                bright = (h // 4) * 2 + w // 4 == k % 4
                pixels.append(min(255, rng.randrange(120) + (110 if bright else 0)))
    return pixels, labels


def png(pixels, side):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(pixels[h * side:(h + 1) * side]) for h in range(side))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)) + \
        chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("directory")
    p.add_argument("--train", type=int, default=200)
    p.add_argument("--classes", type=int, default=4)
    a = p.parse_args()
    os.makedirs(a.directory, exist_ok=True)
    rng = random.Random(1)
    for name, n, pack in (("train", a.train, lambda b: gzip.compress(b, mtime=0)), ("test", 37, bytes)):
        pixels, labels = part(n, a.classes, rng)
        with open(f"{a.directory}/{name}-images", "wb") as f:
            f.write(pack(idx([n, 8, 8], pixels)))
        with open(f"{a.directory}/{name}-labels", "wb") as f:
            f.write(pack(idx([n], labels)))
    with open(f"{a.directory}/one.png", "wb") as f:
        f.write(png(pixels[:64], 8))


if __name__ == "__main__":
    main()
