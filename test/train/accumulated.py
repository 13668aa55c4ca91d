"""Trains a network with batches of 32, and with 4 batches of 8 for each step, and compares the weights.
In: CNNC FOLDER, the folder with data/ (336 samples of 1x12x12, 3 classes) and blocks/accumulated.cnn.
Out: exit status 0 where they agree after 10 steps, whether the run was interrupted or not."""
import json
import os
import struct
import subprocess
import sys

# The mean of 4 means is the mean, but for the rounding of f32, which 10 steps carry on.
BOUND = 1e-5
SOURCE = """import "blocks/accumulated.cnn"
network accumulated {{
  input(1, 12, 12)
  conv(8, 3x3, stride=2) -> silu -> conv(16, 3x3) -> silu -> dense(3) -> softmax
}}
data {{ train = idx("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz") }}
train {{ epochs = 1  batch = {batch}  optimizer = {optimizer}  schedule = constant }}
"""
cnnc, folder = (os.path.abspath(a) for a in sys.argv[1:])
os.chdir(folder)


def trained(name, batch, optimizer):
    with open(name + ".cnn", "w") as f:
        f.write(SOURCE.format(batch=batch, optimizer=optimizer))
    subprocess.run([cnnc, name + ".cnn", "-Wnone", "-o", name], check=True)
    train = ["./" + name, "train", "--data", "data", "--checkpoint", name + "-whole"]
    # 40 batches of 8: the two last samples of 8 would be the first half of another step.
    subprocess.run([*train, "--limit-batches", str(320 // batch)], check=True, stdout=subprocess.DEVNULL)
    train[-1] = name + "-resumed"
    for resume in ([], ["--resume"]):
        subprocess.run([*train, "--epochs", "2", "--stop-after", "1", "--limit-batches", str(168 // batch), *resume], check=True, stdout=subprocess.DEVNULL)
    train[-1] = name + "-straight"
    subprocess.run([*train, "--epochs", "2", "--limit-batches", str(168 // batch)], check=True, stdout=subprocess.DEVNULL)
    with open(name + "-resumed/last.safetensors", "rb") as a, open(name + "-straight/last.safetensors", "rb") as b:
        assert a.read() == b.read(), f"{name}: a resumed run ends with other bytes"
    with open(name + "-whole/last.safetensors", "rb") as f:
        data = f.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    values = {}
    for key, entry in header.items():
        if key.rsplit(".", 1)[-1] in ("weight", "bias"):
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            values[key] = struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])
    return values


for one, four in (("sgd(lr=0.05, momentum=0.9, nesterov=true, weight_decay=1e-3)", "sgd_accumulated(lr=0.05, batches=4, momentum=0.9, nesterov=true, weight_decay=1e-3)"),
                  ("adamw(lr=0.002)", "adamw_accumulated(lr=0.002, batches=4)")):
    kind = one.split("(")[0]
    a, b = trained(kind, 32, one), trained(kind + "_accumulated", 8, four)
    assert a.keys() == b.keys() and len(a) == 6, a.keys()
    largest = max(abs(x - y) for key in a for x, y in zip(a[key], b[key]))
    print(f"{kind}: largest difference {largest:.1e}")
    assert largest < BOUND, (kind, largest)
