#!/usr/bin/env python3
"""Softmax regression written out in f64, against the hand-written model's probe.  In: the trainer, a directory.  Out: 0 or a message.
Bound: f32 sums of 64 products of numbers near 1 err by less than 64 * 2^-24 = 4e-6 of the largest."""
import json, math, random, struct, subprocess, sys

trainer, root = sys.argv[1:]
BOUND, K, P = 4e-6, 4, 64


def write(path, tensors):
    header, body = {}, b""
    for name, (dtype, shape, values) in tensors.items():
        data = struct.pack(f"<{len(values)}{ {'F32': 'f', 'F64': 'd', 'I64': 'q'}[dtype]}", *values)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + body)


def read(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    result = {}
    for name, e in json.loads(raw[8:8 + n]).items():
        a, b = e["data_offsets"]
        assert e["dtype"] == "F32", e
        result[name] = (e["shape"], struct.unpack(f"<{(b - a) // 4}f", raw[8 + n + a:8 + n + b]))
    return result


def near(what, got, expected):
    error = max(abs(a - b) for a, b in zip(got, expected, strict=True))
    assert error <= BOUND * max(1, max(map(abs, expected))), f"{what}: error {error}"


for N, mode in ((16, "train"), (1, "eval"), (3, "eval"), (16, "eval"), (39, "eval")):
    r = random.Random(N)
    x, y = [r.gauss(0, 1) for _ in range(N * P)], [r.randrange(K) for _ in range(N)]
    W, b = [r.gauss(0, .2) for _ in range(K * P)], [.1, .2, .3, .4]
    write(root + "/in", {"x": ("F64", [N, 1, 8, 8], x), "y": ("I64", [N], y), "conv1.weight": ("F64", [K, 1, 8, 8], W), "conv1.bias": ("F32", [K], b)})
    subprocess.run([trainer, "probe", "--in", root + "/in", "--out", root + "/out", "--mode", mode], check=True)
    out = read(root + "/out")
    Z = [[b[k] + sum(x[n * P + p] * W[k * P + p] for p in range(P)) for k in range(K)] for n in range(N)]
    S = [[math.exp(z) / sum(map(math.exp, row)) for z in row] for row in Z]
    D = [[(S[n][k] - (k == y[n])) / N for k in range(K)] for n in range(N)]
    near("logits", out["logits"][1], sum(Z, []))
    near("loss", out["loss"][1], [-sum(math.log(S[n][y[n]]) for n in range(N)) / N])
    assert out["logits"][0] == [N, K] and out["loss"][0] == []
    if mode == "eval":
        assert sorted(out) == ["logits", "loss"]
        continue
    gW = [sum(D[n][k] * x[n * P + p] for n in range(N)) for k in range(K) for p in range(P)]
    gb = [sum(D[n][k] for n in range(N)) for k in range(K)]
    near("grad", out["grad.conv1.weight"][1], gW)
    near("grad", out["grad.conv1.bias"][1], gb)
    near("new", out["new.conv1.weight"][1], [w - .1 * g for w, g in zip(W, gW)])
    near("new", out["new.conv1.bias"][1], [w - .1 * g for w, g in zip(b, gb)])
    assert len(out) == 6, sorted(out)

for bad, words in (({"x": ("F32", [2, 1, 8, 8], [0] * 128), "y": ("I64", [2], [0, 0])}, "the batch of training is compiled in: 16"),
                   ({"x": ("F32", [2, 1, 4, 16], [0] * 128), "y": ("I64", [2], [0, 0])}, "the network needs (N,1,8,8)"),
                   ({"x": ("F32", [1, 1, 8, 8], [0] * 64), "y": ("I64", [1], [4])}, "y[0] is 4"),
                   ({"y": ("I64", [1], [3])}, "has no tensor x"),
                   ({"z": ("I64", [1], [3])}, "has no tensor z")):
    write(root + "/in", bad)
    r = subprocess.run([trainer, "probe", "--in", root + "/in", "--out", root + "/no"], capture_output=True, text=True)
    assert r.returncode == 3 and words in r.stderr, (r, words)
