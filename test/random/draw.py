"""Draws valid programs of the language: every layer, structure, scalar program and entry, with shapes that fit.
In: a random.Random.  Out: a Program: its text, and its statements with the map after each, so that it can be spoilt where one likes.
C channels, H W sides, K kernel, S stride, P pad, D dilation, G groups."""
from collections import namedtuple

Map = namedtuple("Map", "C H W flat")
Statement = namedtuple("Statement", "text after")
Program = namedtuple("Program", "head name input statements classes train data precision")

LARGEST = 4000  # values of a map: what keeps a compiled step short
ACTIVATIONS = ("relu", "relu6", "leaky_relu", "leaky_relu(0.2)", "elu", "elu(alpha=0.5)", "selu", "gelu", "silu", "mish", "hardswish", "sigmoid",
               "logit", "tanh", "softplus", "prelu", "prelu(0.1)", "bent", "bent(slope=0.3)", "wave")
INITS = ("he_normal", "he_uniform", "xavier_normal", "xavier_uniform", "lecun_normal", "orthogonal", "normal(0.05)", "uniform(0.1)")
OPTIMIZERS = ("sgd(lr=0.01)", "sgd(0.01, momentum=0.9, nesterov=true, weight_decay=5e-4)", "adam", "adam(lr=1e-3)", "adamw(lr=1e-3, weight_decay=0.05)",
              "nadam(lr=1e-3)", "rmsprop(lr=1e-3, momentum=0.9, centered=true)", "adagrad(lr=0.01)", "adadelta(lr=1)", "lion(lr=1e-4)", "lamb(lr=1e-3)", "lars(lr=0.1, weight_decay=1e-4)", "plain(lr=0.01)")
SCHEDULES = ("constant", "step(2)", "step(every=2, gamma=0.5)", "multistep([1, 3])", "exponential(0.9)", "polynomial(power=2)", "cosine", "cosine(warmup=0.5)",
             "one_cycle", "warmup(cosine(floor=0.01), epochs=1)", "halves(2)")
LOSSES = ("cross_entropy", "cross_entropy(smoothing=0.1)", "mse", "mae", "huber", "huber(delta=0.5)", "bce", "focal", "focal(gamma=1.5)", "hinge")
AUGMENTS = ("hflip", "vflip(0.3)", "crop(2)", "shift(1)", "rotate(10)", "scale(0.1)", "brightness(0.2)", "contrast(0.2)", "cutout(3)", "erase(0.25)")
DEFINITIONS = """activation bent(x, slope=0.1) = x if x > 0 else slope * x
activation wave(x) = x + 0.1 * sin(x) * tanh(x)
schedule halves(every) = pow(0.5, floor(epoch / every))
optimizer plain(lr, decay=0) { state v = 0  v = 0.5 * v + grad + decay * param  param = param - lr * v }
block unit(filters, stride=1) {
  residual {
    conv(filters, 3x3, stride=stride, pad=1, bias=false) -> batchnorm -> relu
    conv(filters, 3x3, pad=1, bias=false) -> batchnorm
  } shortcut if stride != 1 or in.channels != filters { conv(filters, 1x1, stride=stride, bias=false) -> batchnorm }
  relu
}
block excite(ratio=2) { gate { global_avgpool -> dense(max(1, in.channels // ratio)) -> relu -> dense(in.channels) -> sigmoid } }
"""


def sides(W, K, S, D, before, after):
    return (W + before + after - (D * (K - 1) + 1)) // S + 1


class Drawing:
    def __init__(self, r):
        self.r, self.names = r, 0

    def name(self):
        self.names += 1
        return f"v{self.names}"

    def maybe(self, p, text):
        return text if self.r.random() < p else ""

    def window(self, m, pool=False):
        """-> arguments from the kernel on, sides of the new map"""
        r = self.r
        for _ in range(30):
            K = (r.choice((1, 2, 3, 3, 5)),) * 2 if r.random() < 0.7 else (r.randint(1, 4), r.randint(1, 4))
            S = (r.choice((1, 1, 2, 3)),) * 2 if r.random() < 0.8 else (r.randint(1, 3), r.randint(1, 3))
            D = (1, 1) if pool or r.random() < 0.7 else (r.randint(1, 3), r.randint(1, 2))
            form = r.choice(("none", "number", "size", "four", "same", "wide") if not pool else ("none", "number", "size"))
            most = (K[0] // 2, K[1] // 2) if pool else (3, 3)
            P = (r.randint(0, most[0]), r.randint(0, most[1]), r.randint(0, most[0]), r.randint(0, most[1]))
            if form == "none":
                P, pad = (0,) * 4, self.maybe(0.2, ", pad=narrow" if not pool else "")
            elif form == "number":
                P = (min(P[0], P[1]),) * 4
                pad = f", pad={P[0]}"
            elif form == "size":
                P, pad = (P[0], P[1]) * 2, f", pad={P[0]}x{P[1]}"
            elif form == "four":
                pad = f", pad=[{', '.join(map(str, P))}]"
            elif form == "wide":
                P, pad = tuple(D[a] * (K[a] - 1) for a in (0, 1, 0, 1)), ", pad=wide"
            else:
                pad = ", pad=same"
            if form == "same":
                H, W = (-(-side // s) for side, s in zip((m.H, m.W), S))
            else:
                H, W = (sides(side, K[a], S[a], D[a], P[a], P[a + 2]) for a, side in enumerate((m.H, m.W)))
            if H < 1 or W < 1 or any(D[a] * (K[a] - 1) + 1 > side + P[a] + P[a + 2] for a, side in enumerate((m.H, m.W)) if form != "same"):
                continue
            kernel = f"{K[0]}x{K[1]}" if K[0] != K[1] or r.random() < 0.5 else (str(K[0]) if r.random() < 0.5 else f"({K[0]}, {K[1]})")
            stride = f", stride={S[0]}" if S[0] == S[1] else f", stride={S[0]}x{S[1]}"
            return kernel + ("" if S == (1, 1) and not pool else stride) + pad + ("" if D == (1, 1) else f", dilation={D[0]}x{D[1]}"), H, W
        return "1x1" + (", stride=1" if pool else ""), m.H, m.W

    def layer(self, m, first):
        """-> text, map after; a single layer. `in` is the map that enters the pipeline: only its first layer sees it as its own."""
        r, C = self.r, m.C
        if m.flat:
            return r.choice(((f"dense({(u := r.choice((3, 8, 17)))}{self.maybe(0.3, ', bias=false')}{self.maybe(0.3, ', init=' + r.choice(INITS))})", Map(u, 1, 1, True)),
                             ("batchnorm", m), (r.choice(ACTIVATIONS), m), (f"dropout({r.choice((0.1, 0.5))})", m)))
        kind = r.choice(("conv",) * 4 + ("depthwise", "maxpool", "avgpool", "norm", "norm", "act", "act", "drop", "name"))
        label = f"{self.name()}: " if r.random() < 0.15 else ""
        if kind == "conv":
            window, H, W = self.window(m)
            G = r.choice([1, 1] + [g for g in range(2, C + 1) if C % g == 0][:2])
            O = G * r.randint(1, max(1, 12 // G))
            filters = r.choice((str(O), f"{O} + width - width")) if not first else r.choice((str(O), f"in.channels + {O - C}" if O >= C else f"in.channels - {C - O}"))
            more = (f", groups={G}" if G > 1 else "") + self.maybe(0.4, ", bias=false") + self.maybe(0.2, ", init=" + r.choice(INITS))
            return f"{label}conv({filters}, {window}{more})", Map(O, H, W, False)
        if kind == "depthwise":
            window, H, W = self.window(m)
            M = r.choice((1, 1, 2)) if C < 20 else 1
            return f"{label}depthwise({window}{f', multiplier={M}' if M > 1 else ''}{self.maybe(0.3, ', bias=false')})", Map(C * M, H, W, False)
        if kind in ("maxpool", "avgpool"):
            window, H, W = self.window(m, pool=True)
            return f"{kind}({window}{self.maybe(0.3, ', count_pad=false') if kind == 'avgpool' else ''})", Map(C, H, W, False)
        if kind == "norm":
            G = r.choice([g for g in range(1, C + 1) if C % g == 0])
            return r.choice(("batchnorm", "batchnorm(momentum=0.2, affine=false)", f"groupnorm({G})", "layernorm", "layernorm(over=channels)", "lrn", "lrn(3, alpha=1e-3)")), m
        if kind == "drop":
            return r.choice(("dropout", "dropout(0.2, spatial=true)", "layer_scale(0.5)")), m
        return label + r.choice(ACTIVATIONS), m

    def chain(self, m, n):
        texts = []
        for _ in range(n):
            text, after = self.layer(m, not texts)
            if after.C * after.H * after.W <= LARGEST:
                texts.append(text)
                m = after
        return " -> ".join(texts) or "relu", m

    def keeping(self, m):
        """layers that keep the map's shape"""
        return self.r.choice((f"conv({m.C}, 3x3, pad=1) -> {self.r.choice(ACTIVATIONS)}", "depthwise(3x3, pad=same) -> batchnorm", f"conv({m.C}, 1x1, bias=false) -> batchnorm -> silu",
                              f"{self.r.choice(ACTIVATIONS)} -> conv(in.channels, 5x5, pad=2)"))

    def structure(self, m):
        """-> text, map after"""
        r = self.r
        kind = r.choice(("residual", "shortcut", "unit", "excite", "gate", "concat", "add", "repeat", "for", "if", "let", "adaptive"))
        if kind == "residual":
            return f"residual {{ {self.keeping(m)}{self.maybe(0.3, ' -> drop_path(0.1)')} }}", m
        if kind == "shortcut":
            O, S = r.randint(1, 9), r.choice((1, 2))
            H, W = -(-m.H // S), -(-m.W // S)
            return f"residual {{ conv({O}, 3x3, stride={S}, pad=1) -> relu }} shortcut {{ conv({O}, 1x1, stride={S}) }}", Map(O, H, W, False)
        if kind == "unit":
            O, S = r.randint(1, 9), r.choice((1, 2))
            return r.choice((f"unit({O}, stride={S})", f"unit(stride={S}, filters={O})")), Map(O, -(-m.H // S), -(-m.W // S), False)
        if kind == "excite":
            return r.choice(("excite", "excite(3)", "excite(ratio=width)")), m
        if kind == "gate":
            return r.choice((f"gate {{ global_maxpool -> dense({m.C}) -> sigmoid }}", "gate { global_avgpool -> dense(in.channels) -> tanh }")), m
        if kind in ("concat", "add"):
            arms = [(r.randint(1, 6) if kind == "concat" else m.C, r.choice((1, 3, 5))) for _ in range(r.randint(2, 4))]
            text = " ".join(f"{{ conv({O}, {K}x{K}, pad=same) -> {r.choice(ACTIVATIONS)} }}" for O, K in arms)
            extra = self.maybe(0.4, " { maxpool(3x3, stride=1, pad=1) }")
            C = sum(O for O, _ in arms) + (m.C if extra else 0) if kind == "concat" else m.C
            return f"branch {kind} {{ {text}{extra} }}", Map(C, m.H, m.W, False)
        if kind == "repeat":
            return f"repeat {r.choice(('2', 'deep', 'deep + 1'))} {{ {self.keeping(m)} }}", m
        if kind == "for":
            widths = [r.randint(1, 8) for _ in range(r.randint(1, 3))]
            var = self.name()
            return f"for {var} in {widths} {{ conv({var}, 1x1) -> {r.choice(ACTIVATIONS)} }}", Map(widths[-1], m.H, m.W, False)
        if kind == "if":
            return f"if in.height > {r.randint(0, 9)} and width >= 2 {{ {self.keeping(m)} }} else {{ {r.choice(ACTIVATIONS)} }}", m
        if kind == "let":
            name, O = self.name(), r.randint(1, 6)
            if r.random() < 0.5:
                return f"let {name} = it  {self.keeping(m)} -> add({name})", m
            return f"let {name} = it  conv({O}, 3x3, pad=1) -> relu -> concat({name})", Map(O + m.C, m.H, m.W, False)
        H, W = (r.choice([k for k in range(1, side + 1) if side % k == 0]) for side in (m.H, m.W))
        return f"adaptive_avgpool({H}x{W})", Map(m.C, H, W, False)


def program(r):
    d = Drawing(r)
    m = shape = Map(r.choice((1, 2, 3, 4)), r.randint(4, 17), r.randint(4, 17), False)
    statements = []
    for _ in range(r.randint(2, 8)):
        text, after = d.structure(m) if r.random() < 0.4 and not m.flat else d.chain(m, r.randint(1, 4))
        if after.C * after.H * after.W <= LARGEST:
            statements.append(Statement(text, after))
            m = after
    if r.random() < 0.5 or m.C * m.H * m.W > 600:
        m = Map(m.C, 1, 1, False)
        statements.append(Statement(r.choice(("global_avgpool", "global_maxpool")), m))
    m = Map(m.C * m.H * m.W, 1, 1, True)
    statements.append(Statement("flatten", m))
    for _ in range(r.randint(0, 2)):
        text, m = d.chain(m, r.randint(1, 3))
        statements.append(Statement(text, m))
    classes = r.choice((2, 3, 10, 17))
    statements.append(Statement(f"dense({classes})" + d.maybe(0.7, " -> softmax"), Map(classes, 1, 1, True)))
    head = f"param width = {r.randint(2, 6)}\nparam deep = {r.randint(1, 2)}\n" + DEFINITIONS
    entries = [f"batch = {r.randint(2, 5)}", f"optimizer = {r.choice(OPTIMIZERS)}", f"loss = {r.choice(LOSSES)}", f"schedule = {r.choice(SCHEDULES)}"]
    entries += [e for e in ("epochs = 3", "seed = 5", "no_decay = [bias, batchnorm]", r.choice(("clip = norm(5.0)", "clip = value(0.5)")),
                            "keep = best(val.accuracy)", "stop = no_better(val.loss, epochs=5)") if r.random() < 0.4]
    r.shuffle(entries)
    names = ", ".join(f'"c{k}"' for k in range(classes))
    mean = ", ".join(["0.5"] * shape.C)
    data = ['root = "images"', 'train = folder("train")', 'test = folder("test")', "val = split(0.1)", f"classes = [{names}]",
            r.choice(("normalize = auto", f"normalize = (mean=[{mean}], std=[{mean}])")),
            "augment { " + " -> ".join(r.choice(AUGMENTS) for _ in range(r.randint(1, 3))) + " }"]
    return Program(head, "drawn", shape, statements, classes, entries, data, r.choice(("f32", "f64")))


def text(p):
    lines = [p.head + f"network {p.name} {{", f"  input({p.input.C}, {p.input.H}, {p.input.W})"]
    lines += ["  " + s.text for s in p.statements] + ["}", "data {"] + ["  " + e for e in p.data] + ["}", "train {"] + ["  " + e for e in p.train]
    return "\n".join(lines + ["}", ""])
