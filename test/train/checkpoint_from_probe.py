"""A checkpoint without data: the parameters and statistics after one step on random numbers.
In: TRAINER OUT.safetensors.  Out: the file, in f32."""
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "numeric"))
import tensors

trainer, out = sys.argv[1:]
info = json.loads(subprocess.run([trainer, "info", "--json"], check=True, capture_output=True, text=True).stdout)
draw, n = random.Random(5), info["batch"]
shape = [n, *info["input"]]
x = [draw.gauss(0, 1) for _ in range(tensors.count(shape))]
y = [draw.randrange(info["classes"]) for _ in range(n)]
tensors.write(out + ".in", {"x": tensors.Tensor(shape, x), "y": tensors.Tensor([n], y)})
subprocess.run([trainer, "probe", "--in", out + ".in", "--out", out + ".out"], check=True)
state = {name[4:]: t for name, t in tensors.read(out + ".out")[0].items() if name.startswith("new.")}
tensors.write(out, state, dtype="F32")
