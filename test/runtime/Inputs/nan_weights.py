"""Puts a NaN into the first number of a checkpoint, and takes away the checksum that would tell.
In: FROM TO, safetensors files of f32."""
import json
import struct
import sys

data = open(sys.argv[1], "rb").read()
length = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + length])
header["__metadata__"].pop("data_crc32")
text = json.dumps(header).encode()
with open(sys.argv[2], "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + struct.pack("<f", float("nan")) + data[8 + length + 4:])
