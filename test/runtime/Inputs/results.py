"""Checks history.jsonl and TensorBoard's event files against each other.
In: history.jsonl, a folder of event files, the number of epochs in the table (the events are of the first 3).
Out: exit status 0 where every record's checksum and every number is right."""
import glob
import json
import math
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "train"))
from onnx_structure import fields


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283  # the check value of RFC 3720's polynomial
with open(sys.argv[1]) as f:
    lines = [json.loads(line) for line in f]
rows = [{**r, **{f"{part}_{k}": v for part in ("train", "val", "test") if part in r for k, v in r[part].items()}} for r in lines]
assert [int(r["epoch"]) for r in rows] == list(range(1, int(sys.argv[3]) + 1)), rows
assert all(math.isfinite(float(r[k])) for r in rows for k in ("lr", "train_loss", "val_loss", "seconds")), rows

(path,) = glob.glob(sys.argv[2] + "/events.out.tfevents.*")
with open(path, "rb") as f:
    data = f.read()
events, at = [], 0
while at < len(data):
    size, size_sum = struct.unpack_from("<QI", data, at)
    assert masked(data[at:at + 8]) == size_sum
    body = data[at + 12:at + 12 + size]
    assert masked(body) == struct.unpack_from("<I", data, at + 12 + size)[0]
    events.append(fields(body))
    at += size + 16
assert events[0][3] == [b"brain.Event:2"]
losses = []
for event in events[1:]:
    value = fields(fields(event[5][0])[1][0])
    if value[1] == [b"loss/train"]:
        losses.append((event[2][0], struct.unpack("<f", value[2][0])[0]))
assert len(losses) == 3, losses
for (step, loss), row in zip(losses, rows):
    assert step == int(row["step"]) and abs(loss - float(row["train_loss"])) < 1e-6 * abs(loss), (step, loss, row)
