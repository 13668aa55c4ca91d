"""The parts of a case's network, each of which can write itself in the language and compute itself in PyTorch.
In: arguments as the language has them.  Out: text (`node.text`) and values (`node.apply(x, net)`).
N batch, C channels in, O channels out, H W sides, K kernel, S stride, P pad, D dilation, G groups."""
import math

import torch
import torch.nn.functional as F

from tensors import draw


class Net:
    """One evaluation of a case: makes parameters as layers ask for them and collects the new running statistics."""

    def __init__(self, case, dtype, training):
        self.case, self.dtype, self.training = case, dtype, training
        self.tensors = {}  # name -> torch tensor
        self.recipe = {}  # name -> shape, kind, range
        self.kinds = {}  # name -> kind of the layer it belongs to
        self.updates = {}  # running statistics after the step
        self.names = {}  # what `let` named
        self.scopes, self.numbers = [""], [{}]

    def layer(self, kind):
        self.numbers[-1][kind] = self.numbers[-1].get(kind, 0) + 1
        return f"{self.scopes[-1]}{kind}{self.numbers[-1][kind]}"

    def tensor(self, layer, kind, shape, low, high, owner=""):
        name = f"{layer}.{kind}"
        values = draw(self.case, name, shape, low, high).values
        t = torch.tensor(values, dtype=torch.float64).reshape(shape).to(self.dtype)
        t.requires_grad_(not kind.startswith("running"))
        self.tensors[name], self.kinds[name] = t, owner
        self.recipe[name] = {"shape": list(shape), "kind": kind, "range": [low, high]}
        return t


class Node:
    def __init__(self, text, apply):
        self.text, self.apply = text, apply


def pair(v):
    return v if isinstance(v, tuple) else (v, v)


def size(v):
    return "%dx%d" % v if isinstance(v, tuple) else str(v)


def pads(pad, sides, kernel, stride, dilation):
    """-> ((top, bottom), (left, right))"""
    out = []
    for axis in (0, 1):
        W, K, S, D = sides[axis], pair(kernel)[axis], pair(stride)[axis], pair(dilation)[axis]
        Keff = D * (K - 1) + 1
        if pad in ("narrow", "valid"):
            out.append((0, 0))
        elif pad in ("wide", "full"):
            out.append((Keff - 1, Keff - 1))
        elif pad == "same":
            total = max((-(-W // S) - 1) * S + Keff - W, 0)
            out.append((total // 2, total - total // 2))
        elif isinstance(pad, list):
            out.append((pad[axis], pad[axis + 2]))
        else:
            out.append((pair(pad)[axis], pair(pad)[axis]))
    return out


def padded(x, p, value=0.0):
    (top, bottom), (left, right) = p
    return F.pad(x, (left, right, top, bottom), value=value)


def arguments(positional, **named):
    words = [str(p) for p in positional]
    for k, (value, default) in named.items():
        if value != default:
            words.append(f"{k}={str(value).lower() if isinstance(value, bool) else size(value)}")
    return "(" + ", ".join(words) + ")" if words else ""


def conv(O, K, S=1, P=0, D=1, G=1, bias=True, name=None):
    text = "conv" + arguments([O, size(pair(K))], stride=(S, 1), pad=(P, 0), dilation=(D, 1), groups=(G, 1), bias=(bias, True))

    def apply(x, net):
        layer = net.scopes[-1] + name if name else net.layer("conv")
        I = x.shape[1] // G
        bound = math.sqrt(6 / (I * pair(K)[0] * pair(K)[1]))
        w = net.tensor(layer, "weight", (O, I) + pair(K), -bound, bound)
        b = net.tensor(layer, "bias", (O,), -0.5, 0.5) if bias else None
        return F.conv2d(padded(x, pads(P, x.shape[2:], K, S, D)), w, b, pair(S), 0, pair(D), G)

    return Node((f"{name}: " if name else "") + text, apply)


def depthwise(K, S=1, P=0, D=1, multiplier=1, bias=True):
    text = "depthwise" + arguments([size(pair(K))], stride=(S, 1), pad=(P, 0), dilation=(D, 1), multiplier=(multiplier, 1), bias=(bias, True))

    def apply(x, net):
        layer, C = net.layer("depthwise"), x.shape[1]
        bound = math.sqrt(6 / (pair(K)[0] * pair(K)[1]))
        w = net.tensor(layer, "weight", (C * multiplier, 1) + pair(K), -bound, bound)
        b = net.tensor(layer, "bias", (C * multiplier,), -0.5, 0.5) if bias else None
        return F.conv2d(padded(x, pads(P, x.shape[2:], K, S, D)), w, b, pair(S), 0, pair(D), C)

    return Node(text, apply)


def maxpool(K, S=None, P=0, ceil=False):
    text = "maxpool" + arguments([size(pair(K))], stride=(S, None), pad=(P, 0), ceil=(ceil, False))

    def apply(x, net):
        net.layer("maxpool")
        s = pair(K if S is None else S)
        if ceil:  # PyTorch's own rule of the last window, which must start inside
            return F.max_pool2d(x, pair(K), s, pair(P), ceil_mode=True)
        return F.max_pool2d(padded(x, pads(P, x.shape[2:], K, s, 1), -math.inf), pair(K), s)

    return Node(text, apply)


def avgpool(K, S=None, P=0, ceil=False, count_pad=True):
    text = "avgpool" + arguments([size(pair(K))], stride=(S, None), pad=(P, 0), ceil=(ceil, False), count_pad=(count_pad, True))

    def apply(x, net):
        net.layer("avgpool")
        s = pair(K if S is None else S)
        if ceil:
            return F.avg_pool2d(x, pair(K), s, pair(P), ceil_mode=True, count_include_pad=count_pad)
        p = pads(P, x.shape[2:], K, s, 1)
        y = F.avg_pool2d(padded(x, p), pair(K), s)
        return y if count_pad else y / F.avg_pool2d(padded(torch.ones_like(x), p), pair(K), s)

    return Node(text, apply)


def adaptive_avgpool(O):
    return Node("adaptive_avgpool" + arguments([size(pair(O))]), lambda x, net: F.adaptive_avg_pool2d(x, pair(O)))


global_avgpool = Node("global_avgpool", lambda x, net: x.mean((2, 3), keepdim=True))
global_maxpool = Node("global_maxpool", lambda x, net: F.adaptive_max_pool2d(x, 1))
flatten = Node("flatten", lambda x, net: x.flatten(1))


def scale_and_shift(net, layer, shape, kind):
    return (net.tensor(layer, "weight", shape, 0.5, 1.5, kind), net.tensor(layer, "bias", shape, -0.5, 0.5, kind))


def batchnorm(momentum=0.1, eps=1e-5, affine=True):
    text = "batchnorm" + arguments([], momentum=(momentum, 0.1), eps=(eps, 1e-5), affine=(affine, True))

    def apply(x, net):
        layer, C = net.layer("batchnorm"), x.shape[1]
        w, b = scale_and_shift(net, layer, (C,), "batchnorm") if affine else (None, None)
        mean = net.tensor(layer, "running_mean", (C,), -0.5, 0.5).clone()
        var = net.tensor(layer, "running_var", (C,), 0.5, 1.5).clone()
        y = F.batch_norm(x, mean, var, w, b, net.training, momentum, eps)
        net.updates.update({layer + ".running_mean": mean, layer + ".running_var": var})
        return y

    return Node(text, apply)


def groupnorm(G, eps=1e-5):
    def apply(x, net):
        w, b = scale_and_shift(net, net.layer("groupnorm"), (x.shape[1],), "groupnorm")
        return F.group_norm(x, G, w, b, eps)

    return Node("groupnorm" + arguments([G], eps=(eps, 1e-5)), apply)


def layernorm(eps=1e-5):
    def apply(x, net):
        w, b = scale_and_shift(net, net.layer("layernorm"), tuple(x.shape[1:]), "layernorm")
        return F.layer_norm(x, x.shape[1:], w, b, eps)

    return Node("layernorm" + arguments([], eps=(eps, 1e-5)), apply)


def layernorm_channels(eps=1e-5):
    """over=channels: each position by itself, PyTorch's LayerNorm(C) on channels last"""

    def apply(x, net):
        w, b = scale_and_shift(net, net.layer("layernorm"), (x.shape[1],), "layernorm")
        return F.layer_norm(x.movedim(1, -1), x.shape[1:2], w, b, eps).movedim(-1, 1)

    return Node("layernorm" + arguments([], eps=(eps, 1e-5), over=("channels", None)), apply)


def layer_scale(init=None):
    def apply(x, net):
        w = net.tensor(net.layer("layer_scale"), "weight", (x.shape[1],), 0.5, 1.5, "layer_scale")
        return x * (w[:, None, None] if x.dim() == 4 else w)

    return Node("layer_scale" + arguments([] if init is None else [init]), apply)


def drop_path(p):
    """Its choice of samples is our own: only p = 0 and evaluation can be compared."""

    def apply(x, net):
        assert p == 0 or not net.training
        return x

    return Node("drop_path" + arguments([p]), apply)


def lrn(size, alpha=1e-4, beta=0.75, k=1):
    return Node("lrn" + arguments([size], alpha=(alpha, 1e-4), beta=(beta, 0.75), k=(k, 1)),
                lambda x, net: F.local_response_norm(x, size, alpha, beta, k))


def prelu():
    return Node("prelu", lambda x, net: F.prelu(x, net.tensor(net.layer("prelu"), "weight", (1,), 0.1, 0.4)))


def dense(O, bias=True):
    def apply(x, net):
        x, layer = x.flatten(1), net.layer("dense")
        bound = math.sqrt(6 / x.shape[1])
        w = net.tensor(layer, "weight", (O, x.shape[1]), -bound, bound)
        return F.linear(x, w, net.tensor(layer, "bias", (O,), -0.5, 0.5) if bias else None)

    return Node("dense" + arguments([O], bias=(bias, True)), apply)


def dropout(p, spatial=False):
    """Its mask is our own: only p = 0 and evaluation can be compared."""

    def apply(x, net):
        assert p == 0 or not net.training
        return x

    return Node("dropout" + arguments([p], spatial=(spatial, False)), apply)


ACTIVATIONS = {
    "relu": F.relu, "relu6": F.relu6, "leaky_relu": F.leaky_relu, "elu": F.elu, "selu": F.selu, "gelu": F.gelu, "silu": F.silu,
    "mish": F.mish, "hardswish": F.hardswish, "sigmoid": torch.sigmoid, "logit": torch.sigmoid, "tanh": torch.tanh,
    "softplus": F.softplus, "step": lambda x: (x > 0).to(x.dtype) + 0 * x,
}


def act(name, *args, text=None, function=None):
    function = function or ACTIVATIONS[name]
    return Node(text or name + arguments(args), lambda x, net: function(x, *args))


relu = act("relu")


def chain(nodes, x, net):
    for node in nodes:
        x = node.apply(x, net)
    return x


def inside(nodes):
    return "{ " + " -> ".join(n.text for n in nodes) + " }"


def residual(body, shortcut=None, condition=""):
    """condition: text that the language must find true"""
    text = "residual " + inside(body)
    if shortcut:
        text += f" shortcut {condition and 'if ' + condition + ' '}" + inside(shortcut)

    def apply(x, net):
        y = chain(body, x, net)
        return y + chain(shortcut or [], x, net)

    return Node(text, apply)


def gate(nodes):
    def apply(x, net):
        return x * chain(nodes, x, net).flatten(1)[:, :, None, None]

    return Node("gate " + inside(nodes), apply)


def branch(how, *arms):
    def apply(x, net):
        ys = [chain(arm, x, net) for arm in arms]
        return torch.cat(ys, 1) if how == "concat" else sum(ys)

    return Node(f"branch {how} {{ " + " ".join(inside(arm) for arm in arms) + " }", apply)


def let(name):
    def apply(x, net):
        net.names[name] = x
        return x

    return Node(f"let {name} = it", apply)


def join(how, name):
    return Node(f"{how}({name})", lambda x, net: torch.cat([x, net.names[name]], 1) if how == "concat" else x + net.names[name])


def written(text, nodes):
    """A statement of the language and what it stands for."""
    return Node(text, lambda x, net: chain(nodes, x, net))


def block(name, text, nodes):
    """One use of a block: its layers' names stand in a scope of their own."""

    def apply(x, net):
        layer = net.layer(name)
        net.scopes.append(layer + ".")
        net.numbers.append({})
        y = chain(nodes, x, net)
        net.scopes.pop()
        net.numbers.pop()
        return y

    return Node(text, apply)
