"""In: the root of the sources.  Out: status 1 and the words of the language that an editor's file lacks."""
import json
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
grammar = re.sub(r"//.*", "", (root / "grammar/Cnn.g4").read_text())
words = set(re.findall(r"'([a-z]+)'", grammar)) - {"x", "true", "false"}
words |= set(re.findall(r"^(?:activation|optimizer|schedule) (\w+)", (root / "compiler/prelude/prelude.cnn").read_text(), re.M))
words |= set(re.findall(r'^\s*\{"(\w+)", \{', (root / "compiler/frontend/ElaborateLayers.cpp").read_text(), re.M))
vscode = root / "editors/vscode"
package = json.loads((vscode / "package.json").read_text())
json.loads((vscode / "language-configuration.json").read_text())
assert 'args: ["lsp"]' in (vscode / package["main"]).read_text(), "the extension starts the language server"
textmate = json.loads((vscode / package["contributes"]["grammars"][0]["path"]).read_text())
for pattern in textmate["patterns"]:
    re.compile(pattern.get("match", pattern.get("begin")))
wrong = 0
for name, text in [("TextMate", " ".join(p.get("match", "") for p in textmate["patterns"]).replace("\\b", " ")), ("Vim", (root / "editors/vim/syntax/cnn.vim").read_text())]:
    missing = words - set(re.findall(r"\w+", text))
    if missing:
        print(f"{name} lacks {sorted(missing)}")
        wrong = 1
sys.exit(wrong or len(words) < 50)
