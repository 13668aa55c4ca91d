#!/usr/bin/env python3
"""Damages an IDX set in every way, trains on it, and asks for exit status 3 and the right words.
In: the trainer, a directory.  Out: 0, or the cases that went wrong."""
import gzip, os, shutil, struct, subprocess, sys

trainer, root = sys.argv[1:]
here = os.path.dirname(os.path.abspath(__file__))
subprocess.run([sys.executable, here + "/make_data.py", root + "/good"], check=True)
images, labels = (gzip.open(f"{root}/good/train-{w}").read() for w in ("images", "labels"))
header = lambda magic, *dims: struct.pack(">I", magic) + b"".join(struct.pack(">I", d) for d in dims)


def put(name, data):
    return lambda d: open(f"{d}/train-{name}", "wb").write(data)


CASES = [
    ("no file", lambda d: os.remove(f"{d}/train-labels"), "cannot open"),
    ("a directory", lambda d: (os.remove(f"{d}/train-labels"), os.mkdir(f"{d}/train-labels")), "not a regular file"),
    ("empty", put("images", b""), "train-images is empty"),
    ("noise", put("images", bytes(range(255, 0, -1)) * 9), "magic number is 0xfffefdfc"),
    ("three bytes", put("labels", b"\0\0\x08"), "is truncated"),
    ("header cut", put("images", images[:9]), "is truncated"),
    ("plain cut", put("images", images[:-1]), "is truncated"),
    ("plain longer", put("images", images + b"x"), "is longer than"),
    ("gz cut", put("images", gzip.compress(images)[:2000]), "the gzip stream ends early"),
    ("gz trailer cut", put("images", gzip.compress(images)[:-3]), "the gzip stream ends early"),
    ("gz damaged", put("images", gzip.compress(images)[:-8] + b"12345678"), "cannot be read"),
    ("gz holds more", put("images", gzip.compress(images + b"x")), "is longer than"),
    ("gz holds less", put("images", gzip.compress(images[:-1])), "is truncated"),
    ("product overflows", put("images", header(0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1)), "declares more than"),
    ("too large", put("images", header(0x803, 2**31, 8, 8) + b"x" * 99), "declares more than"),
    ("bomb", put("images", gzip.compress(header(0x803, 2**24, 8, 8) + b"\0" * 99)), "cannot hold"),
    ("labels as images", put("images", labels), "magic number is 0x00000801"),
    ("wrong size", put("images", header(0x803, 200, 4, 16) + images[16:]), "images of 4x16, the network's input is 8x8"),
    ("label 4 of 0..3", put("labels", labels[:28] + b"\x04" + labels[29:]), "the label of sample 20 is 4, the network has classes 0..3"),
    ("fewer labels", put("labels", header(0x801, 37) + labels[8:45]), "200 images"),
    ("no samples", lambda d: (put("images", header(0x803, 0, 8, 8))(d), put("labels", header(0x801, 0))(d)), "no samples"),
    ("less than a batch", lambda d: (put("images", header(0x803, 12, 8, 8) + images[16:16 + 768])(d), put("labels", header(0x801, 12) + labels[8:20])(d)),
     "fewer than one batch of 16"),
]
wrong = 0
for name, damage, words in CASES:
    d = root + "/bad"
    shutil.rmtree(d, ignore_errors=True)
    shutil.copytree(root + "/good", d)
    damage(d)
    r = subprocess.run([trainer, "train", "--data", d, "--checkpoint", root + "/c"], capture_output=True, text=True, timeout=20)
    if r.returncode != 3 or words not in r.stderr or os.path.exists(root + "/c/last.safetensors"):
        wrong += 1
        print(f"{name}: status {r.returncode}, {r.stderr.strip()!r}, expected 3 and {words!r}")
sys.exit(wrong != 0)
