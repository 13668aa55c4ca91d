"""In: CNNC, a scratch folder.  Out: status 1 and a traceback at the first answer of the language server that is not as it should be."""
import pathlib
import sys

from lsp_client import Client, edited, utf16

cnnc, scratch = sys.argv[1], pathlib.Path(sys.argv[2])
scratch.mkdir(parents=True, exist_ok=True)
(scratch / "blocks.cnn").write_text("block pair(filters) {\n  conv(filters, 3x3, pad=1) -> relu\n}\n")
PATH = scratch / "net.cnn"
URI = PATH.resolve().as_uri()
TEXT = """import "blocks.cnn"
param width = 8   # 𝔸 is a pair in UTF-16, ä is not
block unit(f, act=relu) {
  conv(f, 3x3, stride=2, pad=1, bias=false) -> batchnorm
  act
}
network n {
  input(3, 32, 32)
  stem: conv(width, 3x3, pad=same) -> relu
  unit(16)
  unit(32)
  pair(width)
  let skip = it
  conv(width, 1x1) -> add(skip)
  dense(10) -> softmax
}
train { epochs = 3  optimizer = sgd(lr=0.1)
  schedule = cosine }
"""
client = Client(cnnc)


def place(text, what, after=0):
    """The position of the end of `what`."""
    return utf16(text, text.index(what) + (len(what) if after else 0))


def labels(text, marked):
    """Completion where `marked` holds a '|'."""
    shown = text.replace(marked, marked.replace("|", ""), 1) if marked in text else text
    before = text[:text.index(marked)] + marked[:marked.index("|")]
    client.write(URI, shown)
    return {item["label"]: item for item in client.at("completion", URI, *utf16(shown, len(before)), context={"triggerKind": 1})["items"]}


def hints(text):
    client.write(URI, text)
    return {(h["position"]["line"], h["position"]["character"]): h["label"]
            for h in client.whole("inlayHint", URI, range={"start": {"line": 0, "character": 0}, "end": {"line": 999, "character": 0}})}


# ---- diagnostics: all of them, with codes, places in UTF-16, related places and the compiler's remarks
assert client.capabilities["hoverProvider"] and client.capabilities["inlayHintProvider"]
assert client.open(URI, TEXT)["diagnostics"] == [], "a good file has none"
bad = TEXT.replace("pair(width)", "pair(width) -> con(8, 1x1)").replace("dense(10)", "dense(10, unit=3)")
found = client.write(URI, bad)["diagnostics"]
assert [d["code"] for d in found] == ["E0301", "E0303"], found
assert found[0]["severity"] == 1 and found[0]["source"] == "cnnc" and "did you mean `conv`?" in found[0]["message"], found
assert (found[0]["range"]["start"]["line"], found[0]["range"]["start"]["character"]) == place(bad, "con(8"), found
twice = TEXT + "param width = 9\n"
again = client.write(URI, twice)["diagnostics"][0]
assert again["code"] == "E0310" and again["relatedInformation"][0]["location"]["range"]["start"]["line"] == 1, again
deep = client.write(URI, TEXT.replace("conv(width, 1x1)", "conv(width, 9x9)"))["diagnostics"][0]
assert deep["code"] == "E0203" and "O = (W - K + 2P)/S + 1 = (8 - 9 + 2*0)/1 + 1 = 0" in deep["message"], deep
wide = 'network n { input(1, 8, 8) dense(2) -> softmax }\ndata { root = "𝔸ä"  clases = ["a", "b"] }\n'
report = client.write(URI, wide)["diagnostics"][0]
assert report["code"] == "E0401" and report["range"]["start"] == {"line": 1, "character": place(wide, "clases")[1]}, report
assert report["range"]["end"]["character"] - report["range"]["start"]["character"] == len("clases"), report
assert client.write(URI, TEXT.replace("lr=0.1", "lr=0"))["diagnostics"][0]["severity"] == 2, "a warning"
broken = client.write(URI, TEXT.replace('"blocks.cnn"', '"nowhere.cnn"'))["diagnostics"]
assert broken[0]["code"] == "E0313" and broken[0]["range"]["start"]["line"] == 0, broken

# ---- incremental changes count in UTF-16
client.write(URI, wide)
line, character = place(wide, "clases")
fixed = client.change(URI, {"range": {"start": {"line": line, "character": character}, "end": {"line": line, "character": character + 6}}, "text": "classes"})
assert fixed["diagnostics"] == [], fixed

# ---- code actions: the fix, applied, removes the message
found = client.write(URI, bad)["diagnostics"]
for _ in range(2):
    actions = client.whole("codeAction", URI, range=found[0]["range"], context={"diagnostics": found})
    assert actions and actions[0]["kind"] == "quickfix" and actions[0]["isPreferred"], actions
    bad = edited(bad, actions[0]["edit"]["changes"][URI])
    found = client.write(URI, bad)["diagnostics"]
    if not found or found[0]["code"] != "E0303":
        break
assert all(d["code"] != "E0301" for d in found), found
assert client.whole("codeAction", URI, range={"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 1}}, context={"diagnostics": []}) == []

# ---- hover: shape, formula with its numbers, parameters; signatures; params
client.write(URI, TEXT)
hover = client.at("hover", URI, *place(TEXT, "conv(width, 3x3"))["contents"]["value"]
for part in ("**stem**", "3x32x32 → 8x32x32", "(32 - 3 + 2*1)/1 + 1 = 32", "224 parameters: weight 8x3x3x3, bias 8", "conv(filters, kernel, stride=1", "K_eff"):
    assert part in hover, (part, hover)
hover = client.at("hover", URI, *place(TEXT, "conv(f, 3x3"))["contents"]["value"]
assert "**unit1.conv1**" in hover and "**unit2.conv1**" in hover and "8x32x32 → 16x16x16" in hover, hover
hover = client.at("hover", URI, *place(TEXT, "unit(16)"))["contents"]["value"]
assert "block unit → 16x16x16" in hover and "unit(f, act=relu)" in hover, hover
assert "param width = 8" in client.at("hover", URI, *place(TEXT, "width, 1x1"))["contents"]["value"]
assert "lr, momentum=0" in client.at("hover", URI, *place(TEXT, "sgd("))["contents"]["value"]
assert "depthwise" not in client.at("hover", URI, *place(TEXT, "epochs"))["contents"]["value"]
assert client.at("hover", URI, *place(TEXT, "is a pair")) is None, "nothing in a comment"

tuned = TEXT.replace("epochs = 3", 'load "a" for unit1.conv1\n  freeze = stem')
client.write(URI, tuned)
assert "**unit1.conv1**: conv" in client.at("hover", URI, *place(tuned, "conv1\n"))["contents"]["value"]
assert "**stem**: conv" in client.at("hover", URI, *place(tuned, "freeze = stem", 10))["contents"]["value"]
assert "weights that training begins with" in client.at("hover", URI, *place(tuned, "for unit1"))["contents"]["value"]

# ---- inlay hints: the shape behind each layer; several where a block is used several times
shown = hints(TEXT)
assert shown[place(TEXT, "pad=same)", 1)] == "8x32x32", shown
assert shown[place(TEXT, "bias=false)", 1)] == "16x16x16, 32x8x8", shown
assert shown[place(TEXT, "unit(32)", 1)] == "32x8x8" and shown[place(TEXT, "add(skip)", 1)] == "8x8x8", shown
assert shown[place(TEXT, "dense(10)", 1)] == "10", shown
half = TEXT.replace("  unit(16)\n", "  unit(16)\n  conv(\n")
shown = hints(half)
assert shown[place(half, "pad=same)", 1)] == "8x32x32", "lines that are as they were keep their hints while a bracket is open"
assert shown[place(half, "add(skip)", 1)] == "8x8x8", shown
wrong = TEXT.replace("unit(32)", "unit(32, 7, 8)")
assert hints(wrong)[place(wrong, "unit(16)", 1)] == "16x16x16", "what stands before a mistake is still known"

# ---- completion
items = labels(TEXT.replace("  unit(32)", "  co|"), "co|")
assert {"conv", "concat", "unit", "pair", "relu", "residual", "repeat", "let", "batchnorm"} <= set(items), sorted(items)
assert items["conv"]["textEdit"]["newText"] == "conv(${1:filters}, ${2:kernel})" and items["conv"]["insertTextFormat"] == 2, items["conv"]
assert all(items[k].get("documentation", {}).get("value") for k in ("conv", "lrn", "drop_path", "layer_scale", "adaptive_avgpool", "prelu")), items
items = labels(TEXT.replace("unit(32)", "conv(8, 3x3, pad=1, |)"), "pad=1, |)")
assert {"stride=", "groups=", "bias=", "init=", "width"} <= set(items) and "pad=" not in items, sorted(items)
assert items["stride="]["detail"] == "default 1", items["stride="]
assert {"same", "narrow", "wide", "width"} <= set(labels(TEXT.replace("unit(32)", "conv(8, 3x3, pad=|)"), "pad=|)"))
assert {"he_normal", "orthogonal"} <= set(labels(TEXT.replace("unit(32)", "conv(8, 3x3, init=|)"), "init=|)"))
assert set(labels(TEXT.replace("unit(32)", "conv(in.|)"), "in.|)")) == {"channels", "height", "width"}
assert {"f=", "act="} <= set(labels(TEXT.replace("unit(32)", "unit(|)"), "unit(|)"))
items = labels(TEXT.replace("epochs = 3", "epo|"), "epo|")
assert {"epochs", "optimizer", "clip", "keep"} <= set(items) and "conv" not in items, sorted(items)
assert {"adam", "lamb", "lion", "sgd"} <= set(labels(TEXT.replace("sgd(lr=0.1)", "|"), "= |"))
assert {"momentum=", "weight_decay="} <= set(labels(TEXT.replace("lr=0.1)", "lr=0.1, |)"), "0.1, |)"))
assert {"cosine", "plateau", "warmup"} <= set(labels(TEXT.replace("schedule = cosine", "schedule = |"), "schedule = |"))
items = labels(TEXT.replace("epochs = 3", "lo|"), "lo|")
assert items["load"]["textEdit"]["newText"] == 'load "${1:pretrained.safetensors}"' and items["freeze"]["documentation"], items
items = labels(TEXT.replace("epochs = 3", "freeze = [stem, |]"), "stem, |]")
assert {"stem", "unit1", "none"} <= set(items) and not {"conv", "true", "unit1.conv1"} & set(items), sorted(items)
assert "conv1" in labels(TEXT.replace("epochs = 3", "freeze = unit1.|"), "unit1.|")
items = labels(TEXT.replace("epochs = 3", 'load "a" for unit1.c|'), "unit1.c|")
assert items["conv1"]["detail"] == "unit1.conv1" and "stem" not in items, items
assert {"network", "block", "param"} <= set(labels(TEXT + "\nne|", "\nne|"))
assert labels(TEXT.replace("# 𝔸", "# co|"), "co|") == {}, "nothing in a comment"
items = labels(TEXT[:TEXT.index("stem:")] + "conv(width, 3x3, |", "3x3, |")
assert "stride=" in items, "a file that ends in the middle"

# ---- go to definition
client.write(URI, TEXT)


def target(what, after=0):
    found = client.at("definition", URI, *place(TEXT, what, after))
    return (found[0]["uri"], found[0]["range"]["start"]["line"], found[0]["range"]["start"]["character"]) if found else None


assert target("width, 1x1") == (URI, 1, 6), target("width, 1x1")
assert target("unit(16)") == (URI, 2, 6)
assert target("f, 3x3") == (URI, 2, 11), target("f, 3x3")
assert target("skip)") == (URI, 12, 6)
assert target("pair(width)") == ((scratch / "blocks.cnn").resolve().as_uri(), 0, 6)
assert target("blocks.cnn") == ((scratch / "blocks.cnn").resolve().as_uri(), 0, 0)
assert target("relu)") is None, "the prelude is no file"

# ---- formatting, symbols
untidy = TEXT.replace("  unit(16)", "unit( 16 )")
client.write(URI, untidy)
edits = client.whole("formatting", URI, options={"tabSize": 4, "insertSpaces": True})
assert edited(untidy, edits) == TEXT, edited(untidy, edits)
client.write(URI, TEXT)
assert client.whole("formatting", URI, options={"tabSize": 4, "insertSpaces": True}) == [], "a tidy file stays as it is"
client.write(URI, half)
assert client.whole("formatting", URI, options={}) == [], "a file that cannot be parsed is left alone"
client.write(URI, TEXT)
symbols = {s["name"]: s for s in client.whole("documentSymbol", URI)}
assert {"width", "unit", "n", "train"} == set(symbols), symbols.keys()
assert symbols["n"]["range"]["start"]["line"] == 6 and symbols["n"]["range"]["end"]["line"] == 15, symbols["n"]
assert [c["name"] for c in symbols["n"]["children"]][:3] == ["input", "stem: conv", "relu"], symbols["n"]["children"]

# ---- the protocol
assert "error" in client.reply("textDocument/nonsense", {}), "an unknown request is refused"
assert "error" in client.reply("textDocument/hover", {"textDocument": 7}), "and one that is malformed"
client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
assert client.diagnostics()["diagnostics"] == []
assert client.at("hover", URI, 0, 0) is None, "a document that is not open"
assert client.end() == 0
