"""Spoils a drawn program in a known way.
In: a random.Random, a Program.  Out: text, and the code that must be among those of the answer.
Each kind is a function of (r, Drawn); one that needs something the program does not have gives None."""
import re

from draw import Map, Statement, text


def at(r, p, wanted=lambda m: True):
    """-> a place in the network where the map is as wanted, or None"""
    maps = [Map(*p.input)] + [s.after for s in p.statements[:-1]]
    places = [(i, m) for i, m in enumerate(maps) if wanted(m)]
    return r.choice(places) if places else None


def is_map(m):
    return not m.flat


def inserted(p, place, statement):
    return text(p._replace(statements=p.statements[:place] + [Statement(statement, None)] + p.statements[place:]))


def insertion(code, make, wanted=is_map):
    """A statement that cannot stand there, of the map that it finds."""
    def spoil(r, p):
        found = at(r, p, wanted)
        return found and inserted(p, found[0], make(r, found[1])), code
    return spoil


def entry(code, block, make):
    """An entry that is wrong, in the place of one of the same name."""
    def spoil(r, p):
        line = make(r, p)
        name = line.split(" ")[0]
        kept = [e for e in getattr(p, block) if e.split(" ")[0] != name]
        return text(p._replace(**{block: kept + [line]})), code
    return spoil


def textual(code, change):
    def spoil(r, p):
        return change(r, text(p)), code
    return spoil


def swapped(t, old, new):
    return t.replace(old, new, 1) if old in t else None


def anyone(m):
    return True


KINDS = {
    "kernel too large": insertion("E0203", lambda r, m: f"conv(4, {m.H + r.randint(1, 9)}x1)"),
    "pool too large": insertion("E0203", lambda r, m: f"maxpool(1x{m.W + r.randint(1, 9)})"),
    "groups of the input": insertion("E0204", lambda r, m: f"conv({(m.C + 1) * 2}, 1x1, groups={m.C + 1})"),
    "groups of the filters": insertion("E0204", lambda r, m: f"conv({m.C + 1}, 1x1, groups={m.C})", lambda m: not m.flat and m.C > 1),
    "groups of a norm": insertion("E0204", lambda r, m: f"groupnorm({m.C + 1})"),
    "padding of a pool": insertion("E0205", lambda r, m: "maxpool(2x2, pad=2)"),
    "add of other channels": insertion("E0206", lambda r, m: f"let spoilt = it conv({m.C + r.randint(1, 3)}, 1x1) add(spoilt)"),
    "concat of other sides": insertion("E0206", lambda r, m: "let spoilt = it maxpool(2x1) concat(spoilt)", lambda m: not m.flat and m.H > 1),
    "residual of another shape": insertion("E0206", lambda r, m: f"residual {{ conv({m.C + 1}, 1x1) }}"),
    "branch of other sides": insertion("E0206", lambda r, m: "branch concat { { relu } { maxpool(2x1) } }", lambda m: not m.flat and m.H > 1),
    "gate of another width": insertion("E0207", lambda r, m: f"gate {{ global_avgpool -> dense({m.C + 1}) }}"),
    "softmax inside": insertion("E0208", lambda r, m: "softmax", lambda m: m.H * m.W == 1),
    "softmax of a map": insertion("E0211", lambda r, m: "softmax", lambda m: m.H * m.W > 1),
    "input again": insertion("E0209", lambda r, m: "input(1, 8, 8)", anyone),
    "map layer behind flatten": insertion("E0210", lambda r, m: r.choice(("conv(3, 1x1)", "maxpool(1x1)", "global_avgpool", "depthwise(1x1)")), lambda m: m.flat),
    "branch of no kind": insertion("E0214", lambda r, m: "branch multiply { { relu } { relu } }"),
    "unknown layer": insertion("E0301", lambda r, m: r.choice(("cnov(3, 3x3)", "rellu", "resnet50")), anyone),
    "unknown name": insertion("E0302", lambda r, m: "dropout(widht / 10)", anyone),
    "unknown skip": insertion("E0302", lambda r, m: "add(nowhere)"),
    "unknown argument": insertion("E0303", lambda r, m: "conv(3, 1x1, pading=1)"),
    "missing argument": insertion("E0304", lambda r, m: r.choice(("conv(3)", "conv(kernel=1x1)", "maxpool")), is_map),
    "argument twice": insertion("E0305", lambda r, m: "dropout(p=0.1, p=0.2)", anyone),
    "too many arguments": insertion("E0306", lambda r, m: "dropout(0.1, true, 3)", anyone),
    "position after a name": insertion("E0307", lambda r, m: "conv(filters=3, 1x1)"),
    "a string for a number": insertion("E0308", lambda r, m: r.choice(('conv("three", 1x1)', 'conv(3, "1x1")', "conv([3], 1x1)"))),
    "a number for a condition": insertion("E0308", lambda r, m: "if 3 { relu }", anyone),
    "division by zero": insertion("E0309", lambda r, m: f"conv(8 {r.choice(('//', '%', '/'))} (deep - deep), 1x1)"),
    "no filters": insertion("E0201", lambda r, m: f"conv({r.choice(('0', '-3', '2.5', '16777217'))}, 1x1)"),
    "no stride": insertion("E0201", lambda r, m: f"conv(3, 1x1, stride={r.choice(('0', '-1', '0x1'))})"),
    "no such probability": insertion("E0201", lambda r, m: f"dropout({r.choice(('1.5', '-0.1'))})", anyone),
    "too large a map": insertion("E0202", lambda r, m: "conv(16777216, 1x1, pad=16777215)"),
    "a name twice": insertion("E0312", lambda r, m: "same_name: relu same_name: relu", anyone),
    "recursion": insertion("E0311", lambda r, m: "endless", anyone),
    "param twice": textual("E0310", lambda r, t: "param width = 3\n" + t),
    "import of nothing": textual("E0313", lambda r, t: 'import "nothing.cnn"\n' + t),
    "program of an unknown name": textual("E0302", lambda r, t: swapped(t, "tanh(x)", "tanch(x)")),
    "stray character": textual("E0104", lambda r, t: swapped(t, "  input(", "  ; input(")),
    "open string": textual("E0105", lambda r, t: swapped(t, 'root = "images"', 'root = "images')),
    "open bracket": textual("E0106", lambda r, t: swapped(t, "flatten\n", "flatten dense((3)\n")),
    "closed twice": textual("E0106", lambda r, t: t + "}\n"),
    "arrow to nothing": textual("E0107", lambda r, t: swapped(t, "flatten\n", "flatten ->\n}\n network other { input(1, 1, 1) ")),
    "number out of range": textual("E0109", lambda r, t: "param vast = 1e999\n" + t),
    "not text": textual("E0102", lambda r, t: t + "\x00"),
    "no network": textual("E0103", lambda r, t: "# nothing\n"),
    "unknown entry": entry("E0401", "train", lambda r, p: "epoch = 3"),
    "entry twice": textual("E0402", lambda r, t: re.sub(r"(batch = \d+)", r"\1  \1", t, count=1)),
    "class names of another number": entry("E0403", "data", lambda r, p: "classes = [" + ", ".join(f'"c{k}"' for k in range(p.classes + 1)) + "]"),
    "unknown optimizer": entry("E0404", "train", lambda r, p: "optimizer = adma(lr=0.1)"),
    "unknown loss": entry("E0404", "train", lambda r, p: "loss = crossentropy"),
    "means of other channels": entry("E0405", "data", lambda r, p: f"normalize = (mean={[0.5] * (p.input.C + 1)}, std={[0.5] * (p.input.C + 1)})"),
    "no batch": entry("E0406", "train", lambda r, p: f"batch = {r.choice(('0', '-1', '1.5'))}"),
    "no validation": textual("E0407", lambda r, t: swapped(t, "  val = split(0.1)\n", "") if "val.accuracy" in t or "val.loss" in t else None),
}


def spoil(r, p, kind):
    """-> text, code; None where the kind does not fit the program"""
    if kind == "recursion":
        p = p._replace(head=p.head + "block endless() { relu -> forever }\nblock forever() { endless }\n")
    spoilt, code = KINDS[kind](r, p)
    return (spoilt, code) if spoilt and spoilt != text(p) and not spoilt.endswith("# again\n") else None


def shaken(r, t):
    """Some tokens left out, doubled or exchanged: whether it is right is not known."""
    words = t.split(" ")
    for _ in range(r.randint(1, 3)):
        i, j = r.randrange(len(words)), r.randrange(len(words))
        kind = r.randrange(3)
        if kind == 0:
            del words[i]
        elif kind == 1:
            words.insert(i, words[j])
        else:
            words[i], words[j] = words[j], words[i]
    return " ".join(words)
