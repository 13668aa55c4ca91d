"""Compares the tensors of two checkpoints: those whose names begin with a prefix are the same, some other is not.
In: A B PREFIX.  Out: exit status 0 where it is so."""
import json
import struct
import sys


def tensors(path):
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    return {name: data[8 + length + t["data_offsets"][0]:8 + length + t["data_offsets"][1]] for name, t in header.items() if name != "__metadata__"}


a, b = tensors(sys.argv[1]), tensors(sys.argv[2])
inside = [name for name in a if name.startswith(sys.argv[3]) and name.rsplit(".", 1)[1] in ("weight", "bias", "running_mean", "running_var")]
assert inside and all(a[name] == b[name] for name in inside), inside
assert any(a[name] != b[name] for name in a if not name.startswith(sys.argv[3]))
