"""In: CNNC, the grammar.  Out: status 1 and the rules whose example does not parse, or that have none.

An example stands in the comment above its rule; what may stand behind a colon there, `width: words of...`, explains it."""
import re
import subprocess
import sys

LAYER, ENTRY, VALUE = "network n { %s }", "train { %s }", "param a = %s"
PLACES = {
    **dict.fromkeys("file definition importFile param network block data train tune activation schedule optimizer".split(), "%s"),
    **dict.fromkeys("pipeline step layer residual gate branch repeat forEach choice let".split(), LAYER),
    **dict.fromkeys("SIZE NUMBER STRING IDENTIFIER expression word".split(), VALUE),
    "layers": "network n %s", "shortcut": "network n { residual { relu } %s }", "entry": ENTRY, "parameters": "block b%s { relu }",
    "path": 'train { load "a.safetensors" for %s }', "parameter": "block b(%s) { relu }", "update": "optimizer o(lr) { %s }", "arguments": "param a = f%s", "argument": "param a = f(%s)",
    "COMMENT": "param a = 1 %s",
}
NO_TEXT = {"SPACE", "UNCLOSED_STRING", "UNKNOWN"}

cnnc, path = sys.argv[1:]
with open(path) as f:
    rules = re.findall(r"((?:^//[^\n]*\n)*)^(\w+)\s*\n?\s*: ", f.read(), re.M)
wrong = []
for comment, rule in rules:
    if rule in NO_TEXT:
        continue
    lines = comment.strip().splitlines()
    if not lines:
        wrong.append(f"{rule} has no example")
        continue
    example = lines[-1].removeprefix("//").strip()
    if rule == "word":
        example = example.split(":")[0]
    if rule in ("SIZE", "NUMBER"):
        example = example.split(",")[0]
    r = subprocess.run([cnnc, "--emit=ast", "-"], input=PLACES[rule] % example + "\n", capture_output=True, text=True)
    if r.returncode or r.stderr:
        wrong.append(f"{rule}: {example}\n{r.stderr}")
print("\n".join(wrong))
sys.exit(bool(wrong) or len(rules) < len(PLACES))
