"""Runs the recipe of docs/pytorch.md, as it stands there, and compares both directions with the trainer.
In: CNNC ROOT FOLDER; a Python with torch and safetensors.
Out: exit status 0 where PyTorch's logits are the trainer's, and the file that goes back holds the same bits."""
import os
import re
import subprocess
import sys

import torch
from safetensors.torch import load_file, save_file

cnnc, root, folder = (os.path.abspath(a) for a in sys.argv[1:])
with open(os.path.join(root, "docs", "pytorch.md")) as f:
    recipe = re.search(r"```python\n(.*?)```", f.read(), re.S).group(1)
os.makedirs(os.path.join(folder, "checkpoints", "lenet"), exist_ok=True)
os.chdir(folder)
subprocess.run([cnnc, os.path.join(root, "examples", "lenet.cnn"), "--batch", "8", "-o", "lenet"], check=True)
torch.manual_seed(3)
x, y = torch.randn(8, 1, 28, 28), torch.randint(0, 10, (8,))
save_file({"x": x, "y": y}, "in.st")
subprocess.run(["./lenet", "probe", "--in", "in.st", "--out", "out.st"], check=True)
state = {n[4:]: t for n, t in load_file("out.st").items() if n.startswith("new.")}
save_file(state, "checkpoints/lenet/best.safetensors")
names = {}
exec(recipe, names)
save_file({"x": x, "y": y, **load_file("torch.safetensors")}, "in.st")
subprocess.run(["./lenet", "probe", "--in", "in.st", "--out", "out.st", "--mode", "eval"], check=True)
back = load_file("torch.safetensors")
assert back.keys() == state.keys() and all(torch.equal(back[n], state[n]) for n in state)
with torch.no_grad():
    expected = names["net"].eval()(x)
difference = (load_file("out.st")["logits"] - expected).abs().max().item()
assert difference < 1e-5 * max(1, expected.abs().max().item()), difference  # f32, another order of summing
print(f"largest difference of logits {difference:.1e}")
