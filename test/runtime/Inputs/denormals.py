"""denormals.py CNNC FOLDER: a dense layer's products below f32's smallest normal number are zero, in one piece and in many; larger ones are as they should be."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "numeric"))
import tensors
from tensors import Tensor

cnnc, folder = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
source, trainer, given, out = (os.path.join(folder, n) for n in ("n.cnn", "n", "in.st", "out.st"))
for outputs in (3, 700):
    with open(source, "w") as f:
        f.write(f"network n {{ input(1, 16, 16)  flatten -> dense({outputs}, bias=false) -> softmax }}\n"
                "train { batch = 16  optimizer = sgd(lr=0.1) }\n")
    subprocess.run([cnnc, source, "-Wnone", "-o", trainer], check=True)
    weight = next(p for p in tensors.json.loads(subprocess.run([trainer, "info", "--json"], check=True, capture_output=True).stdout)["parameters"])
    for value, is_zero in ((1e-12, True), (1e-6, False)):
        tensors.write(given, {"x": Tensor([16, 1, 16, 16], [1e-30] * 4096), "y": Tensor([16], [0] * 16),
                              weight["name"]: Tensor(weight["shape"], [value] * tensors.count(weight["shape"]))}, dtype="F32")
        for mode in ("train", "eval"):
            subprocess.run([trainer, "probe", "--in", given, "--out", out, "--mode", mode], check=True)
            logits = tensors.read(out)[0]["logits"].values
            expected = 0.0 if is_zero else 256 * 1e-30 * value
            assert all(abs(v - expected) <= 1e-5 * expected for v in logits), (outputs, mode, value, logits[:3])
print("denormals are zero")
