"""Fine-tuning as the train block declares it, tensor by tensor.
In: CNNC, a folder with data/ (runtime/Inputs/make_data.py).  Out: status 1 and a traceback at the first thing that is not as it should be."""
import ctypes
import json
import os
import struct
import subprocess
import sys

cnnc = sys.argv[1]
os.chdir(sys.argv[2])
BODY = """network tuned {
  input(1, 8, 8)
  stem: conv(4, 3x3, pad=1, bias=false) -> batchnorm -> relu
  stem2: conv(4, 3x3, pad=1) -> relu
  unit(%d)
  global_avgpool
  head: dense(4) -> softmax
}
block unit(filters) { conv(filters, 3x3, bias=false) -> batchnorm -> relu }
data {
  root = "data"
  train = idx("train-images", "train-labels")
  test = idx("test-images", "test-labels")
  val = split(0.25)
}
"""
TRAIN = "train { epochs = 2  batch = 16  optimizer = sgd(lr=0.1, momentum=0.9, weight_decay=0.01) %s }\n"
LINES = """
  load "wide.safetensors"
  load "best.safetensors" for stem
  freeze = [stem, batchnorm1, unit1.batchnorm1]
"""


def program(name, filters, lines="", *options):
    with open(name + ".cnn", "w") as f:
        f.write(BODY % filters + TRAIN % lines)
    run(cnnc, name + ".cnn", "-Wnone", *options, "-o", name)


def run(*command, status=0):
    r = subprocess.run(command, capture_output=True, text=True)
    assert r.returncode == status, (command, r.returncode, r.stdout, r.stderr)
    return r.stdout + r.stderr


def train(name, to, *options, status=0):
    return run(f"./{name}", "train", "--checkpoint", to, *options, status=status)


def tensors(path):
    with open(path, "rb") as f:
        data = f.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    return {name: data[8 + length + t["data_offsets"][0]:8 + length + t["data_offsets"][1]] for name, t in header.items() if name != "__metadata__"}


def last(folder):
    return tensors(folder + "/last.safetensors")


def same(a, b, *scopes):
    """What differs among the parameters and statistics of these parts."""
    names = [n for n in a if any(n.startswith(s + ".") for s in scopes) and not n.endswith(".v")]
    assert names
    return [n for n in names if a[n] != b[n]]


# Two runs of their own to begin with: `wide` has another unit, `best` another seed.
program("wide", 6)
train("wide", "w", "--epochs", "1")
os.rename("w/last.safetensors", "wide.safetensors")
program("plain", 3)
train("plain", "b", "--epochs", "1", "--seed", "2")
os.rename("b/last.safetensors", "best.safetensors")
wide, best = tensors("wide.safetensors"), tensors("best.safetensors")
assert same(wide, best, "stem") and same(wide, best, "stem2")

# Later ones win where they overlap; what fits, what does not, and what begins anew is told.
program("tuned", 3, LINES)
told = train("tuned", "t")
assert "loaded 8 of 14 tensors from wide.safetensors; 6 of another shape: unit1.conv1.weight (F32 (6,4,3,3), the network needs (3,4,3,3)), " in told, told
assert "head.weight (F32 (4,6), the network needs (4,3))" in told, told
assert "loaded 1 of 1 tensors of stem from best.safetensors\n" in told, "stem2 is another layer, and nothing of it is spoken of:\n" + told
assert "6 tensors begin with initial values: unit1.conv1.weight, unit1.batchnorm1.weight" in told, told
assert "5 of 10 parameters stay as they are" in told, told
after = last("t")
assert same(after, best, "stem") == [] and same(after, wide, "batchnorm1") == [], "frozen, running statistics too"
assert same(after, wide, "stem2") and same(after, best, "head"), "the others are trained"
fresh = last("t")["unit1.batchnorm1.weight"]
assert struct.unpack("<3f", fresh) == (1, 1, 1), "frozen at its initial values"
assert all(not any(after[n]) for n in after if n.endswith(".v") and n.startswith("stem.")), "no momentum is gathered"

# freeze holds on --resume without being said again, no file is read then, and the bits are those of one run.
train("tuned", "r", "--stop-after", "1")
os.rename("wide.safetensors", "moved.safetensors")
told = train("tuned", "r", "--resume")
assert "loaded" not in told and "5 of 10 parameters stay as they are" in told, told
with open("t/last.safetensors", "rb") as a, open("r/last.safetensors", "rb") as b:
    assert a.read() == b.read()

# A file that is not there: the declaration is named, with what goes before it; nothing has been written.
told = train("tuned", "m", status=4)
assert "cannot open wide.safetensors: No such file or directory; tuned.cnn:17:8 asks for it" in told and "`train --load none` none" in told, told
assert not os.path.exists("m/last.safetensors")

# What torch.save writes is told from damage.
with open("saved.pt", "wb") as f:
    f.write(b"PK\x03\x04" + bytes(200))
assert "saved.pt is not a safetensors file but a zip archive, as torch.save writes it" in train("tuned", "m", "--load", "saved.pt", status=4)

# Weights of 16 bits: each number is the one that they stand for, subnormal ones and the largest too.
HALVES = [0x3c00, 0xbc00, 0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0xfbff, 0x3555, 0x0000]
BFLOATS = [0x3f80, 0xbf80, 0x0080, 0x3eab, 0x477f, 0xc77f, 0x0000, 0x4049]
stem = {"F16": [HALVES[i % len(HALVES)] for i in range(36)], "BF16": [BFLOATS[i % len(BFLOATS)] for i in range(36)]}
exact = {"F16": [struct.unpack("<e", struct.pack("<H", h))[0] for h in stem["F16"]],
         "BF16": [struct.unpack("<f", struct.pack("<I", h << 16))[0] for h in stem["BF16"]]}
for dtype, values in stem.items():
    header = json.dumps({"stem.weight": {"dtype": dtype, "shape": [4, 1, 3, 3], "data_offsets": [0, 72]}}).encode()
    with open("half.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(header)) + header + struct.pack("<36H", *values))
    told = train("tuned", "h", "--load", "half.safetensors", "--only", "stem", "--freeze", "stem", "--epochs", "1")
    assert "loaded 1 of 1 tensors of stem from half.safetensors" in told, told
    assert struct.unpack("<36f", last("h")["stem.weight"]) == tuple(exact[dtype]), dtype

# The command line goes before the declarations.
told = train("tuned", "c", "--load", "moved.safetensors", "--only", "stem", "--freeze", "head", "--epochs", "1")
assert "loaded 1 of 1 tensors of stem from moved.safetensors" in told and "2 of 10 parameters stay as they are" in told and "best" not in told.split("epoch 1")[0], told
assert same(last("c"), wide, "stem") == ["stem.weight"]
told = train("tuned", "n", "--load", "none", "--freeze", "none", "--epochs", "1")
assert "loaded" not in told and "stay as" not in told, told
train("plain", "p", "--epochs", "1")
assert last("n") == last("p"), "with none of it, it is the plain run"
assert "none begins with 'nothing'" in train("tuned", "x", "--load", "moved.safetensors", "--only", "nothing", status=2)
assert "none begins with 'nothing'" in train("tuned", "x", "--load", "none", "--freeze", "stem,nothing", status=2)
os.rename("moved.safetensors", "wide.safetensors")

# Neither line is part of the definition: what was trained with the stem frozen goes on without, as unfreezing wants it.
program("freed", 3)
train("tuned", "u", "--stop-after", "1")
half = last("u")
assert "stay as" not in train("freed", "u", "--resume")
assert same(last("u"), half, "stem") == ["stem.weight"]

# The average of frozen weights is the frozen weights.
train("tuned", "e", "--ema", "0.9", "--epochs", "1")
averaged = last("e")
assert averaged["stem.weight.ema"] == averaged["stem.weight"] == best["stem.weight"] and averaged["head.weight.ema"] != averaged["head.weight"]

# info says it; lr-find begins with these weights too.
info = run("./tuned", "info")
assert "begins with best.safetensors for stem" in info and "frozen      stem, batchnorm1, unit1.batchnorm1" in info, info
declared = json.loads(run("./tuned", "info", "--json"))["train"]
assert declared["load"] == [{"file": "wide.safetensors", "for": ""}, {"file": "best.safetensors", "for": "stem"}] and declared["freeze"][0] == "stem", declared
found = run("./tuned", "lr-find", "--steps", "20", "-o", "find.svg")
assert "note: loaded 1 of 1 tensors of stem from best.safetensors" in found and "note: 5 of 10 parameters stay" in found, found

# A library's steps leave alone what is frozen; its files are not read there.
os.rename("wide.safetensors", "away.safetensors")
with open("lib.cnn", "w") as f:
    f.write(BODY % 3 + TRAIN % LINES)
run(cnnc, "lib.cnn", "-Wnone", "--emit=lib", "-o", "libtuned")
library, model = ctypes.CDLL("./libtuned.so"), ctypes.c_void_p()
for function in ("load", "save"):
    getattr(library, "tuned_" + function).argtypes = [ctypes.c_void_p, ctypes.c_char_p]
library.tuned_train_step.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_double, ctypes.c_void_p]
assert library.tuned_create(ctypes.byref(model), 1, ctypes.c_uint64(1)) == 0
assert library.tuned_load(model, b"best.safetensors") == 0
x, y = (ctypes.c_float * (16 * 64))(*(i % 7 / 7 for i in range(16 * 64))), (ctypes.c_int32 * 16)(*(i % 4 for i in range(16)))
assert library.tuned_train_step(model, x, y, 0.1, None) == 0 and library.tuned_save(model, b"lib.safetensors") == 0
stepped = tensors("lib.safetensors")
assert same(stepped, best, "stem", "batchnorm1") == [] and same(stepped, best, "head")
