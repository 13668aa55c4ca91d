#!/usr/bin/env python3
"""Writes safetensors files that lie, and asks the trainer to load them.
In: the trainer, a trainer of another network, a directory.  Out: 0, or the cases that went wrong."""
import json, os, struct, subprocess, sys

trainer, other, root = sys.argv[1:]
here = os.path.dirname(os.path.abspath(__file__))
subprocess.run([sys.executable, here + "/make_data.py", root + "/data"], check=True)
subprocess.run([trainer, "train", "--data", root + "/data", "--checkpoint", root + "/c"], check=True, stdout=subprocess.DEVNULL)
good = open(root + "/c/last.safetensors", "rb").read()
length = struct.unpack("<Q", good[:8])[0]
text, data = good[8:8 + length].decode(), good[8 + length:]
W, B = "conv1.weight", "conv1.bias"


def raw(header, body=data, n=None):
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header) if n is None else n) + header + body


def edited(change):
    header = json.loads(text)
    header = change(header) or header
    return raw(json.dumps(header))


def field(name, key, value):
    return edited(lambda h: h[name].__setitem__(key, value))


def shifted(h):
    for entry in h.values():
        if "data_offsets" in entry:
            entry["data_offsets"] = [o + 4 for o in entry["data_offsets"]]


CASES = [
    ("empty", b"", "it has 0 bytes"),
    ("noise", bytes(range(256)) * 8, "claims"),
    ("header cut", good[:60], "claims"),
    ("data cut", good[:-1], "truncated"),
    ("data longer", good + b"x", "too long"),
    ("length 2^63", raw(text, n=2**63), "claims"),
    ("no brace", raw(" " + text), "does not begin with"),
    ("not JSON", raw("{nonsense"), "not JSON"),
    ("a list", raw('{"a":[1]}'), "a list stands where none belongs"),
    ("duplicate tensor", raw('{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}', b""), "occurs twice"),
    ("duplicate field", raw('{"a":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}}', b""), "'dtype' twice"),
    ("deep", raw('{"a":' * 5000 + "1" + "}" * 5000, b""), "is damaged"),
    ("dtype", field(W, "dtype", "F31"), "unknown dtype 'F31'"),
    ("integers", field(B, "dtype", "I32"), "dtype I32"),
    ("negative", field(W, "shape", [-4, 1, 8, 8]), "negative"),
    ("fraction", field(W, "shape", [4.5, 1, 8, 8]), "fraction"),
    ("overflow", field(W, "shape", [2**32, 2**32, 1, 1]), "overflows"),
    ("size", field(W, "shape", [4, 1, 8, 9]), "its offsets span 1024"),
    ("zero size", field(W, "shape", [0, 1, 8, 8]), "needs 0 bytes"),
    ("rank 9", field(W, "shape", [1] * 9), "8 dimensions"),
    ("offsets swapped", field(W, "data_offsets", [1024, 0]), "offsets in order"),
    ("overlap", field(B, "data_offsets", [1020, 1036]), "an overlap"),
    ("hole", edited(shifted), "a hole"),
    ("no bias", edited(lambda h: {"x" if k == B else k: v for k, v in h.items()}), "no tensor conv1.bias"),
    ("shape", edited(lambda h: h[W].__setitem__("shape", [1, 4, 8, 8])), "conv1.weight has shape (1,4,8,8), the network needs (4,1,8,8)"),
    ("metadata number", edited(lambda h: h["__metadata__"].__setitem__("seed", 7)), "is damaged"),
    ("metadata text", edited(lambda h: h["__metadata__"].__setitem__("epoch", "many")), "'epoch' is not a number"),
    ("version", edited(lambda h: h["__metadata__"].__setitem__("checkpoint_version", "99")), "version 99"),
    ("a flipped bit", raw(text, bytes([data[0] ^ 1]) + data[1:]), "checksum"),
]
wrong = 0


def ask(name, command, words):
    global wrong
    r = subprocess.run(command, capture_output=True, text=True, timeout=20)
    if r.returncode != 4 or words not in r.stderr:
        wrong += 1
        print(f"{name}: status {r.returncode}, {r.stderr.strip()!r}, expected 4 and {words!r}")


for name, content, words in CASES:
    path = root + "/bad.safetensors"
    open(path, "wb").write(content)
    ask(name, [trainer, "eval", path, "--data", root + "/data"], words)
ask("another network", [other, "eval", root + "/c/last.safetensors"], "it belongs to the network fake")
ask("resume another", [other, "train", "--resume", "--checkpoint", root + "/c", "--data", root + "/data"], "conv1.weight has shape (4,1,8,8)")
ask("nothing to resume", [trainer, "train", "--resume", "--checkpoint", root + "/nothing", "--data", root + "/data"], "nothing to resume")
open(root + "/c/last.safetensors", "wb").write(raw(text.replace("h-fake", "h-face")))
ask("resume another definition", [trainer, "train", "--resume", "--checkpoint", root + "/c", "--data", root + "/data"], "hash h-face")
sys.exit(wrong != 0)
