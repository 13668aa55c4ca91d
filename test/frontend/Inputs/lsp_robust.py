"""Texts as they are while one types, and texts that nobody types.
In: CNNC, the folder of examples, a scratch folder.  Out: status 1 where the server ends or does not answer."""
import pathlib
import random
import sys

from lsp_client import Client, utf16

cnnc, examples, scratch = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
URI = (scratch / "typed.cnn").resolve().as_uri()
draw = random.Random(5)
client = Client(cnnc)
client.open(URI, "")


def ask_all(text, offset):
    client.write(URI, text)
    line, character = utf16(text, offset)
    for method in ("hover", "definition"):
        client.at(method, URI, line, character)
    client.at("completion", URI, line, character, context={"triggerKind": 1})
    everything = {"start": {"line": 0, "character": 0}, "end": {"line": 9999, "character": 0}}
    client.whole("inlayHint", URI, range=everything)
    client.whole("codeAction", URI, range=everything, context={"diagnostics": []})
    client.whole("documentSymbol", URI)
    client.whole("formatting", URI, options={})


for name in ("lenet.cnn", "efficientnet_b0.cnn"):
    text = (examples / name).read_text()
    for end in range(0, len(text), 23):  # typed from the beginning
        ask_all(text[:end], end)
    for _ in range(30):  # a piece missing, a piece twice
        begin = draw.randrange(len(text))
        end = min(len(text), begin + draw.randrange(40))
        ask_all(text[:begin] + text[end:], begin)
        ask_all(text[:end] + text[begin:], end)
signs = list("(){}[]=,.:->+*/%\"#\n\t x3ä𝔸\0\r\x7f") + ["network ", "conv", "in.", "let ", "param ", "3x3", "if ", "for "]
for _ in range(60):
    text = "".join(draw.choice(signs) for _ in range(draw.randrange(120)))
    ask_all(text, draw.randrange(len(text) + 1))
for text in ("(" * 5000, "network n { input(1, 8, 8) " + "repeat 9 { " * 200, '"' + "a" * 100000, "x" * 2000000, "param a = " + "-" * 3000 + "1"):
    ask_all(text, len(text))
# Places outside of the text, and changes that are none.
client.write(URI, "network n {\n")
for line, character in ((-1, -1), (0, 100000), (100000, 0), (1, 5)):
    client.at("hover", URI, line, character)
    client.at("completion", URI, line, character, context={"triggerKind": 1})
client.change(URI, {"range": {"start": {"line": 50, "character": 9}, "end": {"line": 3, "character": 2}}, "text": "}"})
client.notify("textDocument/didChange", {"textDocument": {"uri": "file:///nowhere.cnn", "version": 1}, "contentChanges": []})
client.notify("textDocument/didOpen", {"nonsense": 1})
client.notify("no/such/notification", {})
assert client.end() == 0
