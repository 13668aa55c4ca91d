"""Looks at what predict --explain-image has written.
In: a PNG.  Out: exit status 0 where it holds two pictures side by side and the right one differs from a plain tint: heat has a place."""
import struct
import sys
import zlib

with open(sys.argv[1], "rb") as f:
    data = f.read()
assert data[:8] == b"\x89PNG\r\n\x1a\n"
at, idat = 8, b""
while at < len(data):
    size, kind = struct.unpack(">I4s", data[at : at + 8])
    body = data[at + 8 : at + 8 + size]
    if kind == b"IHDR":
        width, height, depth, colour = struct.unpack(">IIBB", body[:10])
    idat += body if kind == b"IDAT" else b""
    at += 12 + size
assert (depth, colour) == (8, 2) and width == 2 * height + 4, (width, height, depth, colour)
raw, rows, above = zlib.decompress(idat), [], bytes(3 * width)
for r in range(height):
    kind, line = raw[r * (3 * width + 1)], bytearray(raw[r * (3 * width + 1) + 1 : (r + 1) * (3 * width + 1)])
    for i in range(len(line)):
        a, b, c = line[i - 3] if i >= 3 else 0, above[i], above[i - 3] if i >= 3 else 0
        p = a + b - c
        paeth = a if abs(p - a) <= abs(p - b) and abs(p - a) <= abs(p - c) else b if abs(p - b) <= abs(p - c) else c
        line[i] = line[i] + (0, a, b, (a + b) // 2, paeth)[kind] & 255
    rows.append(line)
    above = line
left = [row[3 * w : 3 * w + 3] for row in rows for w in range(height)]
right = [row[3 * (height + 4 + w) : 3 * (height + 4 + w) + 3] for row in rows for w in range(height)]
assert all(p[0] == p[1] == p[2] for p in left), "the picture is grey"
heat = [q[0] - 0.4 * p[0] for p, q in zip(left, right)]
assert max(heat) - min(heat) > 60, (min(heat), max(heat))
