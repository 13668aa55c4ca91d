#!/usr/bin/env python3
"""Writes one image of an IDX file as a PNG, with Python's standard library alone.
In: IMAGES.gz NUMBER OUT.png, IMAGES an IDX file of grey images (rank 3, bytes).  Out: an 8-bit grey PNG of the same size."""
import gzip
import struct
import sys
import zlib


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows):
    """rows: equally long byte strings, a byte a pixel."""
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    pixels = b"".join(b"\0" + row for row in rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")


def main():
    images, number, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    with gzip.open(images) as f:
        magic, count, height, width = struct.unpack(">IIII", f.read(16))
        if magic != 0x803 or not 0 <= number < count:
            sys.exit(f"{images}: not an IDX file of grey images, or it has no image {number}")
        f.seek(16 + number * height * width)
        pixels = f.read(height * width)
    with open(out, "wb") as f:
        f.write(png([pixels[i * width : (i + 1) * width] for i in range(height)]))


if __name__ == "__main__":
    main()
