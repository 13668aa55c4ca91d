"""Reads, writes and draws tensors with Python's standard library alone.
In: safetensors files (https://github.com/huggingface/safetensors#format); names of cases.
Out: dictionaries name -> Tensor, the values as flat lists of numbers."""
import array
import json
import math
import random
import struct
from collections import namedtuple

Tensor = namedtuple("Tensor", "shape values")
CODES = {"F64": "d", "F32": "f", "I64": "q", "I32": "i"}


def count(shape):
    return math.prod(shape)


def read(path):
    """-> (tensors, metadata)"""
    with open(path, "rb") as f:
        (size,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(size))
        data = f.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = array.array(CODES[entry["dtype"]], data[begin:end])
        if len(values) != count(entry["shape"]):
            raise ValueError(f"{path}: {name} has {len(values)} values and the shape {entry['shape']}")
        tensors[name] = Tensor(entry["shape"], values.tolist())
    return tensors, metadata


def write(path, tensors, metadata=None, dtype="F64"):
    """Tensors of floating-point numbers are written as `dtype`, those of integers as I64."""
    header, parts, offset = {}, [], 0
    if metadata:
        header["__metadata__"] = metadata
    for name, tensor in tensors.items():
        integers = bool(tensor.values) and isinstance(tensor.values[0], int)
        kind = "I64" if integers else dtype
        data = array.array(CODES[kind], tensor.values).tobytes()
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [offset, offset + len(data)]}
        parts.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def draw(case, name, shape, low, high):
    """Uniform in [low, high): the same numbers on every machine, as random() is exact and * and + are IEEE's."""
    numbers = random.Random(f"{case}/{name}")
    return Tensor(list(shape), [low + (high - low) * numbers.random() for _ in range(count(shape))])


def draw_labels(case, n, classes, name="y"):
    numbers = random.Random(f"{case}/{name}")
    return Tensor([n], [numbers.randrange(classes) for _ in range(n)])


def inputs(case, recipe, n):
    """x, y, for mixed samples y2 and mix, and all parameters, statistics and states of a case. recipe: the golden file's metadata "recipe", parsed."""
    tensors = {"x": draw(case, "x", [n] + recipe["input"], -recipe["spread"], recipe["spread"]), "y": draw_labels(case, n, recipe["classes"])}
    if recipe.get("mixed"):
        tensors["y2"] = draw_labels(case, n, recipe["classes"], "y2")
        tensors["mix"] = draw(case, "mix", [n], 0.0, 1.0)
    for name, p in {**recipe["tensors"], **recipe["states"]}.items():
        tensors[name] = draw(case, name, p["shape"], *p["range"])
    return tensors


# A large tensor is kept as some of its values and some sums over all of them with drawn signs: an error anywhere shows in the sums.
FULL, SAMPLED, SUMS = 512, 160, 8


def rms(a, b=None):
    """The root mean square of a, or of what a and b differ by."""
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b or [0.0] * len(a))) / len(a))


def digest(name, values):
    """values of a tensor -> the values that a golden file keeps of it"""
    n = len(values)
    if n <= FULL:
        return list(values)
    numbers = random.Random(f"{name}/{n}")
    kept = [values[i] for i in sorted(numbers.sample(range(n), SAMPLED))]
    for _ in range(SUMS):
        bits = numbers.getrandbits(n)
        # fsum is exact up to its last rounding, so the order of summation does not matter.
        kept.append(math.fsum(v if bits >> i & 1 else -v for i, v in enumerate(values)) / math.sqrt(n))
    return kept
