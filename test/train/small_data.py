#!/usr/bin/env python3
"""Makes small data sets in IDX form.
In: DIRECTORY, then one of
  fashion N M          the first N images for training and M for testing of Fashion-MNIST
  drawn N M C H W      drawn images of C classes; train and test as above
Out: train-images-idx3-ubyte.gz and its three companions, as the full set has them; one.png, the first test image."""
import gzip
import os
import random
import struct
import sys

FASHION = "/usr/share/datasets/fashion-mnist"
NAMES = {"train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"), "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")}


def write(folder, part, H, W, images, labels):
    for name, header, body in zip(NAMES[part], (struct.pack(">IIII", 0x803, len(labels), H, W), struct.pack(">II", 0x801, len(labels))),
                                  (images, labels)):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(gzip.compress(header + bytes(body), mtime=0))


def fashion(part, n):
    def first(name, header, size):
        with gzip.open(os.path.join(FASHION, name)) as f:
            return f.read(header + size)[header:]

    return first(NAMES[part][0], 16, n * 784), first(NAMES[part][1], 8, n)


def drawn(part, n, classes, H, W):
    """Noise, brighter in the class's own share of the rows."""
    numbers, images, labels = random.Random(part), bytearray(), bytearray()
    for i in range(n):
        k = i % classes
        labels.append(k)
        images += bytes(numbers.randrange(120) + (100 if r * classes // H == k else 0) for r in range(H) for _ in range(W))
    return images, labels


def main():
    folder, kind, numbers = sys.argv[1], sys.argv[2], list(map(int, sys.argv[3:]))
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples"))
    from idx_to_png import png

    os.makedirs(folder, exist_ok=True)
    for part, n in zip(("train", "test"), numbers):
        H, W = numbers[3:] if kind == "drawn" else (28, 28)
        images, labels = drawn(part, n, *numbers[2:]) if kind == "drawn" else fashion(part, n)
        write(folder, part, H, W, images, labels)
    with open(os.path.join(folder, "one.png"), "wb") as f:
        f.write(png([bytes(images[r * W : (r + 1) * W]) for r in range(H)]))


if __name__ == "__main__":
    main()
