"""Runs the shell blocks of docs/training.md, line by line, on small pictures.
In: CNNC ROOT FOLDER, the folder with data/.  Out: exit status 0 where each line ends with 0, what it announces is there, and no command is missing."""
import os
import re
import subprocess
import sys

cnnc, root, folder = (os.path.abspath(a) for a in sys.argv[1:])
with open(os.path.join(root, "docs", "training.md")) as f:
    page = f.read()
for name, text in re.findall(r"`(\w+\.cnn)`:\n\n```cnn\n(.*?)```", page, re.S):
    with open(os.path.join(folder, name), "w") as f:
        f.write(text)
environment = dict(os.environ, PATH=os.path.dirname(cnnc) + os.pathsep + os.environ["PATH"])
for block in re.findall(r"```sh\n(.*?)```", page, re.S):
    for line in block.splitlines():
        result = subprocess.run(["bash", "-ec", line], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if result.returncode:
            sys.exit(f"{line}\n{result.stdout}\nexit status {result.returncode}")
for name in ["grid.png", "lr-find.svg", "report.html", "why.png", "trace.json", "pictures.onnx", "libpictures.so", "logs", "checkpoints/pictures/best.safetensors"]:
    assert os.path.exists(os.path.join(folder, name)), name
loss = [float(n) for n in re.findall(r"loss ([0-9.]+)", subprocess.run(["./pictures", "eval", "overfit/last.safetensors", "--split", "train"], cwd=folder, text=True,
                                                                      capture_output=True, check=True).stdout)]
assert loss[0] < 0.5, f"one batch was not learnt: loss {loss}"
assert os.path.getsize(os.path.join(folder, "classify")) < 1_000_000
listed = subprocess.run(["./pictures", "--help"], cwd=folder, text=True, capture_output=True, check=True).stdout.split("examples:")[0]
known = re.findall(r"^  ([a-z-]+) ", listed, re.M)
said = subprocess.run(["./tuned", "info"], cwd=folder, text=True, capture_output=True, check=True).stdout
assert "begins with checkpoints/pictures/best.safetensors for stem" in said and "frozen      stem, batchnorm1" in said, said
missing = [command for command in known if not re.search(rf"(\./pictures(64)? {command}\b|`{command}` runs)", page)]
assert len(known) == 12 and not missing, (known, missing)
