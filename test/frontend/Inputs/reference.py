"""In: CNNC, a Markdown file.  Out: status 1 and what the compiler says of its examples.

```cnn is a file, ```cnn layers stands in a network, ```cnn train in a train block."""
import re
import subprocess
import sys

LEAST = 8  # so many examples there must be

cnnc, path = sys.argv[1:]
with open(path) as f:
    examples = re.findall(r"^```cnn *(\w*)\n(.*?)^```", f.read(), re.M | re.S)
wrong = 0
for kind, text in examples:
    if kind == "layers":
        text = "network n {\ninput(3, 32, 32)\n" + text + "dense(10) -> softmax\n}\n"
    if kind == "train":
        text = "network n { input(3, 32, 32) dense(10) -> softmax }\ntrain {\n" + text + "}\n"
    r = subprocess.run([cnnc, "check", "-"], input=text, capture_output=True, text=True)
    if r.returncode or r.stderr:
        print(text, r.stderr, sep="\n")
        wrong = 1
sys.exit(wrong or len(examples) < LEAST)
