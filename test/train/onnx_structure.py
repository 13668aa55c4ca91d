"""Reads an ONNX file with the standard library alone and checks its structure.
In: FILE, then claims: OPERATOR=COUNT (of nodes), or CHECKPOINT.safetensors, whose tensors of the same name must be the file's own.
Out: exit status 0 where: fields parse, every name is defined before its use and once, sizes fit shapes, the batch dimension is free."""
import collections
import math
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "numeric"))
import tensors


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """-> {field: [values]}: of the wire format"""
    found, at = collections.defaultdict(list), 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            size, at = varint(data, at)
            assert at + size <= len(data), "a field runs over the end"
            value, at = data[at:at + size], at + size
        else:
            size = {1: 8, 5: 4}[key & 7]
            value, at = data[at:at + size], at + size
        found[key >> 3].append(value)
    return found


def text(message, field):
    return message[field][0].decode()


def value_shape(info):
    tensor = fields(fields(info[2][0])[1][0])
    return [d[2][0].decode() if 2 in d else d[1][0] for d in map(fields, fields(tensor[2][0])[1])]


def main():
    with open(sys.argv[1], "rb") as f:
        model = fields(f.read())
    assert model[1] == [8] and fields(model[8][0])[2] == [17], "IR version 8, opset 17"
    graph = fields(model[7][0])
    defined, initializers = set(), {}
    for tensor in map(fields, graph[5]):
        name, shape = text(tensor, 8), tensor[1]
        size = {1: 4, 7: 8}[tensor[2][0]]
        assert len(tensor[9][0]) == size * math.prod(shape), name
        assert name not in defined, f"{name} is there twice"
        defined.add(name)
        initializers[name] = (shape, tensor[9][0], tensor[2][0])
    for info in map(fields, graph[11]):
        assert value_shape(info)[0] == "N"
        defined.add(text(info, 1))
    operators = collections.Counter()
    for node in map(fields, graph[1]):
        operators[text(node, 4)] += 1
        for name in node[1]:
            assert name.decode() in defined, f"{text(node, 3)} uses {name.decode()} before it is there"
        for name in node[2]:
            assert name.decode() not in defined, f"{name.decode()} is there twice"
            defined.add(name.decode())
    outputs = {text(info, 1): value_shape(info) for info in map(fields, graph[12])}
    assert "logits" in outputs and set(outputs) <= defined and all(s[0] == "N" and len(s) == 2 for s in outputs.values()), outputs
    for claim in sys.argv[2:]:
        if "=" in claim:
            name, count = claim.rsplit("=", 1)
            assert operators[name] == int(count), f"{name}: {operators[name]} nodes; {dict(operators)}"
            continue
        kept, same = tensors.read(claim)[0], 0
        for name, (shape, raw, kind) in initializers.items():
            if name in kept and kind == 1:
                got = struct.unpack(f"<{len(raw) // 4}f", raw)
                assert math.prod(shape) == len(kept[name].values), name
                assert all(abs(a - b) <= 1e-7 * abs(b) for a, b in zip(got, kept[name].values)), name
                same += 1
        assert same, "no tensor of the checkpoint is in the file"


if __name__ == "__main__":
    main()
