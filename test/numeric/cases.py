"""The table of cases: a name, the claim, the layers, and where it matters the input, batch, definitions and training.
In: nothing.  Out: CASES.  Every case ends in dense -> softmax unless it says otherwise."""
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from networks import (act, adaptive_avgpool, avgpool, batchnorm, block, branch, conv, dense, depthwise, drop_path, dropout, flatten, gate, global_avgpool,
                      global_maxpool, groupnorm, join, layer_scale, layernorm, layernorm_channels, let, lrn, maxpool, prelu, relu, residual, written)


@dataclass
class Case:
    name: str
    claim: str
    nodes: list
    input: tuple = (3, 7, 7)
    batch: int = 3
    classes: int = 4
    train: str = "optimizer = sgd(lr=0.1)"  # entries of the train block beside batch and precision
    definitions: str = ""  # text before the network
    optimizer: object = None  # (decayed, others) -> torch optimiser; None: sgd(lr=0.1)
    no_decay: tuple = ()
    states: dict = field(default_factory=dict)  # the language's name of an optimiser's state -> PyTorch's
    clip: tuple = ()  # ("norm" | "value", limit)
    smoothing: float = 0.0
    loss: object = None  # (logits, labels) -> loss; None: cross-entropy
    mixed: object = None  # (logits, labels, second labels, mix) -> loss of a training step, for networks that mix samples
    spread: float = 1.5  # x lies in [-spread, spread)
    f32: bool = False  # compare in f32 too
    golden: bool = True  # False: its training step cannot be compared (random masks), only differentiated
    last: list = field(default_factory=list)  # instead of dense(classes)


CASES = []


def case(name, claim, *nodes, **options):
    CASES.append(Case(name, claim, list(nodes), **options))


# ---- convolution: the gradients by input (through conv1) and filter, for every form of window ----

def two(*a, first=4, **k):
    """A convolution whose input needs a gradient."""
    return [conv(first, 1), act("tanh"), conv(*a, **k)]


case("conv_plain", "no padding, stride 1", *two(5, 3), f32=True)
for text, P in [("1", 1), ("1x2", (1, 2)), ("list", [1, 0, 2, 1]), ("narrow", "narrow"), ("valid", "valid"), ("wide", "wide"), ("full", "full"),
                ("same", "same")]:
    case(f"conv_pad_{text}", f"pad={text}", *two(3, (3, 2) if text == "list" else 3, P=P), input=(2, 6, 5))
case("conv_same_even", "same with an even kernel: the odd row goes to the bottom and right", *two(3, 4, P="same"), input=(2, 6, 7))
case("conv_same_even_stride", "same, even kernel, stride 2", *two(3, (2, 4), S=2, P="same"), input=(2, 7, 6))
case("conv_same_stride3", "same, stride 3 on sides that it does not divide", *two(3, 5, S=3, P="same"), input=(2, 8, 7))
case("conv_same_dilated", "same, dilation 2", *two(3, 3, D=2, P="same"), input=(2, 7, 5))
case("conv_wide_dilated_stride", "wide padding of a dilated kernel, stride 2", *two(3, 2, S=2, D=(2, 3), P="wide"), input=(2, 5, 6))
for K, S, P, H, W in [(1, 2, 0, 7, 6), (2, 2, 0, 7, 5), (2, 3, 1, 8, 7), (3, 2, 0, 8, 9), (3, 2, 1, 7, 8), (3, 2, 1, 6, 6), (3, 3, 1, 10, 11),
                      (4, 2, 1, 9, 8), (5, 2, 2, 9, 7), (5, 3, 2, 11, 10), (2, 3, 0, 8, 10), (3, 4, 1, 11, 9), (7, 2, 3, 9, 9)]:
    case(f"conv_k{K}_s{S}_p{P}_{H}x{W}", "strided; not all of the map may be read", *two(3, K, S=S, P=P, first=2), input=(2, H, W), batch=2)
case("conv_stride_by_axis", "stride and kernel differ by axis", *two(3, (3, 2), S=(2, 3), P=(1, 0)), input=(2, 7, 9))
case("conv_stride_by_axis_other", "stride 3x1, kernel 2x5", *two(3, (2, 5), S=(3, 1), P=[0, 2, 1, 2]), input=(2, 8, 6))
case("conv_dilated", "dilation 2x3", *two(3, 3, D=(2, 3), P=(2, 3)), input=(2, 6, 8))
case("conv_dilated_stride", "dilation 2 and stride 2 and 3", *two(3, 3, S=(2, 3), D=2, P=2), input=(2, 9, 8))
case("conv_groups", "two groups", *two(6, 3, P=1, G=2))
case("conv_groups3_stride", "three groups of unequal use: 6 -> 9 channels, stride 2", *two(9, 3, S=2, P=1, G=3, first=6))
case("conv_groups_dilated", "groups, dilation, no bias", *two(4, (2, 3), D=2, P=2, G=2, bias=False))
case("conv_groups_all", "as many groups as channels, two filters each", *two(12, 3, S=2, P=1, G=6, first=6), input=(2, 6, 5))
case("conv_groups_wide", "two groups of 20 channels to 24 filters each", *two(48, 3, P=1, G=2, first=40), input=(1, 4, 5), batch=2)
case("conv_no_bias", "no bias", *two(5, 3, bias=False))
case("conv_1x1", "1x1 kernel on a 1x1 map", *two(7, 1), input=(5, 1, 1), batch=5)
case("conv_1x1_stride", "1x1 kernel, stride 2 (a projection shortcut)", *two(6, 1, S=2, bias=False), input=(3, 5, 6))
case("conv_row", "a map of width 1", *two(3, (3, 1), P=(1, 0)), input=(2, 9, 1))
case("conv_column", "a map of height 1, width 17", *two(3, (1, 3), P=(0, 1)), input=(2, 1, 17))
case("conv_kernel_is_map", "the kernel is as large as the map", *two(4, (5, 6)), input=(2, 5, 6))
case("conv_kernel_over_map", "the kernel is larger than the map, by padding", *two(4, 5, P=2), input=(2, 3, 2))
case("conv_wide_pad", "padding larger than the kernel", *two(2, 2, P=3), input=(2, 3, 4))
case("conv_prime", "17 channels on a 7x11 map, 13 filters", *two(13, 3, P=1, first=17), input=(3, 7, 11), batch=1)
case("conv_1_to_33", "from 1 channel to 33", conv(33, 3, P=1), relu, conv(10, 3, S=2), input=(1, 7, 7), batch=2, f32=True)
case("conv_40_to_10", "40 channels, batch 7", *two(10, 3, first=40), input=(3, 5, 5), batch=7)
for name, claim, P, shape, f32 in [("same", "padded, a map of odd sides", 1, (2, 9, 7), True), ("narrow", "without padding", 0, (2, 8, 9), False),
                                   ("wide", "with padding 2", 2, (2, 6, 5), False)]:
    case(f"conv_winograd_{name}", f"3x3 of many channels, {claim}: Winograd's form forward and in both gradients", *two(32, 3, P=P, first=16),
         input=shape, batch=6, f32=f32)
for name, claim, K, P, shape, f32 in [("4x4", "3x3 in tiles of 4x4, padded, a map of odd sides", 3, 1, (2, 13, 11), True),
                                      ("4x4_wide", "3x3 in tiles of 4x4, with padding 2", 3, 2, (2, 7, 6), False),
                                      ("5x5", "5x5 in tiles of 2x2, padded, a map of odd sides", 5, 2, (2, 9, 11), True),
                                      ("5x5_narrow", "5x5 in tiles of 2x2, without padding", 5, 0, (2, 10, 9), False)]:
    case(f"conv_winograd_{name}", f"{claim}: Winograd's form forward and in both gradients", *two(32, K, P=P, first=32), input=shape, batch=4, f32=f32)
for name, claim, K, C, O, shape, f32 in [("odd", "3x3 in tiles of 4x4, 35 to 67 channels", 3, 35, 67, (2, 7, 9), False),
                                         ("odd_few", "3x3 in tiles of 2x2, 19 to 37 channels", 3, 19, 37, (2, 6, 5), True),
                                         ("odd_5x5", "5x5 in tiles of 2x2, 33 channels to two blocks of 50", 5, 33, 100, (2, 5, 7), False)]:
    case(f"conv_winograd_{name}", f"{claim}: Winograd's form forward and in both gradients, with vectors that channels do not fill", *two(O, K, P=K // 2, first=C),
         input=shape, batch=3, f32=f32)
case("conv_48_to_64", "channels of several vectors", *two(64, 3, P=1, first=48), input=(3, 5, 5), batch=2, f32=True)
case("conv_64_to_48_stride", "channels of several vectors, stride 2", *two(48, 3, S=2, P=1, first=64, bias=False), input=(3, 6, 5), batch=2)
case("conv_65_to_67", "just over a whole number of vectors", *two(67, 1, first=65), input=(1, 4, 3), batch=3)
case("conv_3_to_40", "few channels, whose gradient sums along the filters", *two(40, 3, P=1, first=3), input=(2, 6, 5), batch=3, f32=True)
case("conv_wide_map", "a map wider than a tile: 33 columns", *two(17, 3, P=1, first=16), input=(1, 3, 33), batch=1)
case("conv_first_5x5", "lenet's first layer: one channel, 5x5, same", conv(32, 5, P="same"), relu, input=(1, 9, 8), batch=2)
case("depthwise", "depthwise, padded", conv(5, 1), act("tanh"), depthwise(3, P=1))
case("depthwise_multiplier", "two filters a channel, stride 2", conv(3, 1), act("tanh"), depthwise(3, S=2, P=1, multiplier=2), input=(2, 7, 6))
case("depthwise_dilated", "depthwise, dilated, same, no bias, 17 channels", conv(17, 1), act("tanh"), depthwise((2, 3), D=2, P="same", bias=False),
     input=(2, 6, 5), batch=2)
case("depthwise_stride3", "kernel 5, stride 3 on a side that it does not divide", conv(6, 1), act("tanh"), depthwise(5, S=3, P=2), input=(2, 11, 8))
case("depthwise_separable", "depthwise then 1x1, 40 channels", conv(40, 1), relu, depthwise(3, S=2, P=1, bias=False), batchnorm(), relu, conv(7, 1),
     input=(2, 6, 6))

# ---- pooling ----

def pooled(*nodes):
    return [conv(3, 3, P=1), act("tanh"), *nodes]


case("maxpool", "windows that meet", *pooled(maxpool(2)), input=(2, 6, 8), f32=True)
case("maxpool_relu_ties", "equal values: the first one gets the gradient", conv(3, 3, P=1), act("relu6"), maxpool(3, S=2), input=(2, 7, 7))
case("maxpool_overlap", "3x3 windows, stride 2, padded", *pooled(maxpool(3, S=2, P=1)), input=(2, 7, 8))
case("maxpool_unit_stride", "3x3 windows, stride 1, padded", *pooled(maxpool(3, S=1, P=1)), input=(2, 5, 4))
case("maxpool_gap", "stride larger than the window", *pooled(maxpool(2, S=3)), input=(2, 8, 7))
case("maxpool_by_axis", "window and stride differ by axis", *pooled(maxpool((3, 2), S=(2, 1), P=(1, 0))), input=(2, 7, 5))
case("maxpool_ceil", "ceil=true adds a last window", *pooled(maxpool(2, ceil=True)), input=(2, 7, 6))
case("maxpool_ceil_outside", "a last window that would start outside is dropped", *pooled(maxpool(2, S=3, ceil=True)), input=(2, 6, 7))
case("maxpool_ceil_padded", "ceil and padding", *pooled(maxpool(3, S=2, P=1, ceil=True)), input=(2, 6, 8))
case("maxpool_17_channels", "17 channels, a window of 2x3", conv(17, 1), act("tanh"), maxpool((2, 3), S=2), input=(2, 5, 7), batch=2)
case("maxpool_same", "same padding", *pooled(maxpool(3, S=2, P="same")), input=(2, 6, 7))
case("maxpool_list", "padding by side", *pooled(maxpool(3, S=2, P=[1, 0, 0, 2])), input=(2, 6, 7))
case("maxpool_large", "a window of 12x12, whose indices need more than seven bits", *pooled(maxpool(12, S=1)), input=(2, 13, 12), batch=2)
case("avgpool", "windows that meet", *pooled(avgpool(2)), input=(2, 6, 8))
case("avgpool_overlap_counted", "overlapping; the padding counts as zeros", *pooled(avgpool(3, S=2, P=1)), input=(2, 7, 8))
case("avgpool_overlap_uncounted", "overlapping; the padding does not count", *pooled(avgpool(3, S=2, P=1, count_pad=False)), input=(2, 7, 8))
case("avgpool_ceil_counted", "ceil's extra cells never count, the padding does", *pooled(avgpool(3, S=2, P=1, ceil=True)), input=(2, 6, 8))
case("avgpool_ceil_uncounted", "ceil without the padding", *pooled(avgpool(2, ceil=True, count_pad=False)), input=(2, 7, 5))
case("avgpool_ceil_padded_uncounted", "neither ceil's cells nor the padding count", *pooled(avgpool(3, S=2, P=1, ceil=True, count_pad=False)),
     input=(2, 6, 8))
case("avgpool_by_axis", "window, stride and padding differ by axis", *pooled(avgpool((2, 3), S=(1, 2), P=(0, 1))), input=(2, 5, 7))
case("avgpool_same_uncounted", "same padding that does not count", *pooled(avgpool(2, S=1, P="same", count_pad=False)), input=(2, 5, 4))
case("avgpool_gap", "stride larger than the window", *pooled(avgpool(2, S=3)), input=(2, 8, 7))
case("adaptive_avgpool", "as many windows as asked for", *pooled(adaptive_avgpool((2, 3))), input=(2, 6, 9))
case("adaptive_avgpool_identity", "as many windows as cells", *pooled(adaptive_avgpool(5)), input=(2, 5, 5))
case("global_avgpool", "the mean of a map", *pooled(global_avgpool), input=(2, 5, 7))
case("global_maxpool", "the maximum of a map", *pooled(global_maxpool), input=(2, 5, 7))

# ---- normalisation ----

case("batchnorm", "statistics of the batch, running statistics", conv(5, 3), batchnorm(), relu, f32=True)
case("batchnorm_plain", "affine=false, its own momentum and eps", conv(4, 3), batchnorm(momentum=0.3, eps=0.001, affine=False), act("tanh"))
case("batchnorm_flat", "on a flat vector", dense(7), batchnorm(), act("tanh"), input=(2, 3, 3), batch=5)
case("batchnorm_flat_plain", "on a flat vector, affine=false, 33 channels", dense(33), batchnorm(affine=False), act("tanh"), input=(1, 3, 2), batch=4)
case("batchnorm_first", "on the input itself", batchnorm(), conv(3, 2), input=(2, 4, 5))
case("batchnorm_wide", "40 channels on an odd map, batch 7", conv(40, 1), batchnorm(), relu, conv(2, 1), input=(2, 5, 3), batch=7)
case("batchnorm_by_image", "sums of each image first: 9 channels, batch 17", conv(9, 3, P=1), batchnorm(), act("tanh"), input=(2, 6, 7), batch=17, f32=True)
case("batchnorm_by_image_wide", "sums of each image first: 96 channels, a residual sum below it", conv(96, 1), residual([conv(96, 1, bias=False)]), batchnorm(), act("tanh"), conv(2, 1),
     input=(8, 6, 6), batch=16, f32=True)
case("batchnorm_one_sample", "a batch of one, statistics over the map alone", conv(4, 3), batchnorm(), relu, input=(2, 6, 5), batch=1)
case("batchnorm_chain", "two in a row, and no bias before", conv(6, 3, bias=False), batchnorm(), relu, conv(4, 3, S=2, bias=False), batchnorm(), relu)
case("groupnorm", "two groups", conv(6, 3), groupnorm(2), act("tanh"))
case("layernorm", "over channels, height and width", conv(3, 3), layernorm(), act("tanh"), input=(2, 5, 5))
case("layernorm_flat", "over a flat vector, its own eps", dense(7), layernorm(eps=0.01), act("tanh"), input=(2, 3, 3))
case("layernorm_channels", "over the channels of each position", conv(5, 3), layernorm_channels(), act("tanh"), input=(2, 5, 6), f32=True)
case("layernorm_channels_wide", "over 40 channels, its own eps, behind pooling too", conv(40, 1), layernorm_channels(eps=0.01), act("tanh"), global_avgpool,
     layernorm_channels(), input=(2, 5, 3))
case("layernorm_channels_flat", "over a flat vector", dense(7), layernorm_channels(), act("tanh"), input=(2, 3, 3))
case("lrn", "the usual numbers", conv(7, 3), lrn(5), act("tanh"))
case("lrn_strong", "its own numbers, an even size", conv(5, 3), lrn(4, alpha=0.5, beta=0.6, k=2), act("tanh"))

# ---- dense, flatten, dropout ----

case("dense", "a flat network", flatten, dense(9), act("tanh"), dense(5), act("tanh"), input=(2, 3, 3), f32=True)
case("dense_no_bias", "without bias, on a map that is flattened by itself", dense(6, bias=False), act("tanh"), input=(3, 2, 3))
case("dense_only", "nothing but the last layer, 10 classes, batch 1", input=(1, 3, 5), batch=1, classes=10)
case("dense_odd", "17 -> 67 -> 33 units, batch 5", dense(67), act("tanh"), dense(33), act("tanh"), input=(17, 1, 1), batch=5)
case("dense_vectors", "64 -> 128 units, batch 8", dense(64), relu, dense(128), relu, input=(1, 4, 4), batch=8, classes=10)
case("dense_long_sum", "1200 -> 31 units, batch 11: vectors along the sum, in several panels", flatten, dense(31), act("tanh"), input=(3, 20, 20), batch=11, classes=10, f32=True)
case("dropout_0", "p=0 is the identity", conv(3, 3), dropout(0), relu, dropout(0, spatial=True), dense(5), dropout(0))
case("dropout_eval", "in evaluation the identity; in training the derivative of its own mask", conv(4, 3), act("tanh"), dropout(0.3, spatial=True),
     dense(9), act("tanh"), dropout(0.5), golden=False)
case("drop_path_0", "p=0 is the identity", conv(3, 3), residual([conv(3, 1), drop_path(0)]), relu)
case("drop_path_eval", "in evaluation the identity; in training the derivative of its own choice of samples", conv(4, 3), act("tanh"),
     residual([conv(4, 3, P=1), drop_path(0.4)]), dense(9), act("tanh"), drop_path(0.2), golden=False, batch=7)
case("layer_scale", "one factor a channel", conv(5, 3), layer_scale(0.1), act("tanh"), dense(6), layer_scale(), act("tanh"), input=(2, 5, 5))
case("convnext_block", "ConvNeXt's block", conv(5, 2, S=2), residual([
    depthwise(7, P=3), layernorm_channels(eps=1e-6), conv(20, 1), act("gelu"), conv(5, 1), layer_scale(0.5), drop_path(0)]), input=(3, 8, 8), f32=True)
case("many_classes", "17 classes", conv(3, 3), relu, classes=17, batch=2)
case("two_classes", "2 classes, the least", conv(3, 3), relu, classes=2)
# ---- elementwise programs, pools and their gradients in one pass over a map ----

case("pooled_relu", "a ReLU between a convolution and a pool: the mask is the pooled map's", conv(17, 3, P=1), relu, maxpool(2), conv(5, 3, P=1), relu,
     avgpool((1, 2)), input=(2, 8, 8), batch=4, f32=True)
case("pooled_batchnorm", "normalised, activated and pooled at once, over many images and more channels than a vector has", conv(40, 3, P=1, bias=False), batchnorm(), relu,
     maxpool(2), conv(12, 3, P=1, bias=False), batchnorm(), relu, maxpool((1, 3)), input=(2, 12, 12), batch=18, f32=True)
case("pooled_wide", "over 160 channels, and over 81", conv(160, 1, bias=False), batchnorm(), relu, maxpool((2, 1)), conv(81, 1, bias=False), batchnorm(), relu, maxpool(2),
     input=(3, 8, 6), batch=3)
case("pooled_padded", "in windows that share pixels and leave the map", conv(9, 3, P=1, bias=False), batchnorm(), relu, maxpool(3, S=2, P=1), conv(6, 1), act("tanh"),
     avgpool(3, S=2, P=1, count_pad=False), input=(2, 9, 8))
case("pooled_sum", "the sum of two maps, of which the pool is not the only reader", conv(6, 1), residual([conv(6, 3, P=1, bias=False), batchnorm()]), relu,
     branch("concat", [maxpool(2)], [avgpool(2)], [conv(4, 2, S=2)]), relu, maxpool((4, 2)), input=(2, 8, 8))
case("pooled_windows", "windows of two sizes on one map, whose gradients add up", conv(5, 1), relu, branch("concat", [maxpool(2), maxpool(2)], [maxpool(4)], [avgpool(4)]),
     input=(2, 8, 8))
case("pooled_prelu", "a learned slope in front of a pool: its gradient is one sum over all cells", conv(6, 3, P=1), prelu(), maxpool(2), conv(5, 1), prelu(), avgpool((2, 3)),
     input=(2, 8, 12), batch=4)
case("pooled_once", "one window, one image", conv(20, 1, bias=False), relu, maxpool((2, 3)), input=(3, 2, 3), batch=1)
case("pooled_dropout", "what a pool's gradient goes through counts pixels", conv(6, 1), relu, dropout(0.4), maxpool(2), input=(2, 6, 6), golden=False)

case("head_conv", "a network that ends in global pooling", conv(5, 3), act("tanh"), conv(4, 1), last=[global_avgpool, flatten])

# ---- activations: every one of the table, on both sides of its bends ----

for name, args in [("relu", ()), ("relu6", ()), ("leaky_relu", ()), ("leaky_relu", (0.2,)), ("elu", ()), ("elu", (0.5,)), ("selu", ()),
                   ("gelu", ()), ("silu", ()), ("mish", ()), ("hardswish", ()), ("sigmoid", ()), ("logit", ()), ("tanh", ()), ("softplus", ()),
                   ("step", ())]:
    case(f"activation_{name}" + ("_argument" if args else ""), name + (f", argument {args[0]}" if args else ""), conv(4, 3), act(name, *args),
         input=(2, 5, 5), spread=6, f32=name == "gelu")
case("activation_prelu", "one learned slope", conv(4, 3), prelu(), dense(5), prelu())
case("activation_own", "an activation of the file's own, with an argument",
     conv(4, 3), act("swish", text="swish(1.5)", function=lambda x: x * torch.sigmoid(1.5 * x)), dense(5),
     act("swish", text="swish", function=lambda x: x * torch.sigmoid(x)), definitions="activation swish(x, beta=1) = x / (1 + exp(-beta * x))\n")
case("activation_row", "a chain of activations", conv(4, 3), act("tanh"), act("softplus"), act("gelu"), act("sigmoid"))

# ---- structure ----

BASIC = """block basic(filters, stride=1) {
  residual {
    conv(filters, 3x3, stride=stride, pad=1, bias=false) -> batchnorm -> relu
    conv(filters, 3x3, pad=1, bias=false) -> batchnorm
  } shortcut if stride != 1 or in.channels != filters {
    conv(filters, 1x1, stride=stride, bias=false) -> batchnorm
  }
  relu
}
"""


def basic(channels, filters, stride=1):
    body = [conv(filters, 3, S=stride, P=1, bias=False), batchnorm(), relu, conv(filters, 3, P=1, bias=False), batchnorm()]
    projection = [conv(filters, 1, S=stride, bias=False), batchnorm()] if stride != 1 or channels != filters else None
    return block("basic", f"basic({filters}, stride={stride})" if stride != 1 else f"basic({filters})", [residual(body, projection), relu])


case("residual", "the identity as shortcut", conv(3, 1), act("tanh"), residual([conv(3, 3, P=1), act("tanh")]), relu)
case("residual_shortcut", "a projection as shortcut", conv(3, 1), act("tanh"), residual([conv(5, 3, S=2, P=1)], [conv(5, 1, S=2)]), relu)
case("residual_condition", "a condition that is false: the identity", conv(3, 1), act("tanh"),
     written("residual { conv(3, 3x3, pad=1) } shortcut if in.channels != 3 { conv(3, 1x1) }", [residual([conv(3, 3, P=1)])]), relu)
case("residual_blocks", "resnet's block, used three times", conv(4, 3, P=1, bias=False), batchnorm(), relu, basic(4, 4), basic(4, 6, 2), basic(6, 6),
     global_avgpool, definitions=BASIC, input=(2, 6, 6), f32=True)
case("gate", "squeeze and excite", conv(6, 3), act("tanh"),
     gate([global_avgpool, dense(3), relu, dense(6), act("sigmoid")]), act("tanh"))
case("gate_block", "a gate in a block, sizes from in.channels", conv(8, 3), act("tanh"), block("squeeze_excite", "squeeze_excite(4)", [
    gate([global_avgpool, dense(2), relu, dense(8), act("sigmoid")])]), definitions="""block squeeze_excite(ratio=16) {
  gate { global_avgpool -> dense(in.channels // ratio) -> relu -> dense(in.channels) -> sigmoid }
}
""", input=(2, 5, 5))
case("branch_concat", "inception's block", conv(3, 1), act("tanh"), branch(
    "concat", [conv(2, 1), relu], [conv(3, 1), relu, conv(4, 3, P=1), relu], [maxpool(3, S=1, P=1), conv(1, 1), relu]), conv(3, 1))
case("branch_concat_odd", "channels 1, 17 and 3, joined and used twice", branch("concat", [conv(1, 1)], [conv(17, 1)], [conv(3, 1)]), act("tanh"), branch(
    "concat", [conv(2, 3)], [avgpool(3, S=1)]), input=(2, 4, 4), batch=2)
case("branch_add", "the sum of three arms", conv(3, 1), act("tanh"), branch(
    "add", [conv(4, 3, P=1)], [conv(4, 1), act("tanh")], [conv(4, 5, P=2), relu]), act("tanh"), input=(2, 5, 5))
case("nested", "a branch in a residual in a residual", conv(4, 1), act("tanh"), residual([
    conv(4, 3, P=1), residual([branch("concat", [conv(1, 1)], [conv(3, 3, P=1), act("tanh")])]), act("tanh")]), relu, input=(2, 5, 4))
case("gate_conv", "a gate of 1x1 convolutions on the pooled map", conv(6, 3), act("tanh"),
     gate([global_avgpool, conv(2, 1), relu, conv(6, 1), act("sigmoid")]), conv(2, 1))
case("chains", "large enough that launches run over some images, all of them, and then over the next", conv(32, 3, P=1, bias=False), batchnorm(), act("tanh"),
     residual([conv(32, 3, P=1, bias=False), batchnorm(), act("tanh"), depthwise(3, P=1, bias=False), batchnorm()]), act("tanh"),
     branch("concat", [conv(16, 1)], [avgpool(3, S=1, P=1), conv(16, 3, P=1)]), act("tanh"), maxpool(2), conv(16, 3, P=1), act("tanh"), avgpool(2),
     input=(3, 16, 16), batch=16, f32=True)
bend = act("bend", function=lambda x: x + 0.05 * x * x)
case("stripes", "filter gradients of several images a piece and several pieces a stripe, of which the last is short; maps made again in the backward pass",
     conv(16, 3, P=1, bias=False), batchnorm(), bend, conv(16, 5, P=2, S=2, bias=False), batchnorm(), bend,
     residual([conv(20, 3, P=1, bias=False), batchnorm(), bend, conv(16, 3, P=1, G=2, bias=False), batchnorm()]), bend,
     avgpool(2), conv(16, 3, P=1, bias=False), batchnorm(), bend, conv(12, 1), bend, avgpool(2), input=(3, 32, 32), batch=43, f32=True,
     definitions="activation bend(x) = x + 0.05 * x * x\n")
case("branch_pools", "pools of every kind side by side, the input used three times", branch(
    "concat", [maxpool(3, S=1, P=1)], [avgpool(3, S=1, P=1)], [conv(2, 3, P=1)]), batchnorm(), act("tanh"), input=(2, 5, 6))
case("let_concat", "a named map, concatenated later", conv(3, 3, P=1), act("tanh"), let("skip"), conv(4, 3, P=1), relu, join("concat", "skip"), conv(2, 1))
case("let_add", "a named map, added later, twice", conv(3, 3, P=1), act("tanh"), let("skip"), conv(3, 3, P=1), relu, join("add", "skip"),
     conv(3, 1), act("tanh"), join("add", "skip"))
case("repeat_unrolls", "repeat unrolls", conv(3, 3, P=1), written("repeat 3 { conv(3, 3x3, pad=1) -> tanh }", [conv(3, 3, P=1), act("tanh")] * 3), input=(2, 5, 4))
case("for_list", "for goes over a list", written("for filters in [3, 5, 2] { conv(filters, 2x2) -> tanh }",
                                            [conv(3, 2), act("tanh"), conv(5, 2), act("tanh"), conv(2, 2), act("tanh")]))
case("if_shape", "if chooses by the map's shape", conv(5, 3), act("tanh"),
     written("if in.channels > 4 and in.height == 5 { conv(2, 3x3) } else { conv(7, 1x1) }", [conv(2, 3)]),
     written("if in.width > 4 { relu } else { tanh }", [act("tanh")]))
case("param", "sizes from a param", written("conv(2*width, 3x3) -> tanh -> conv(width, (k, k - 1))", [conv(8, 3), act("tanh"), conv(4, (3, 2))]),
     definitions="param width = 4\nparam k = 3\n")
case("named", "named layers name their parameters", conv(4, 3, name="stem"), act("tanh"), conv(3, 3), act("tanh"), conv(2, 1, name="tip"))
case("lenet_small", "lenet at a tenth of its size", conv(4, 5, P="same", bias=False), batchnorm(), relu, maxpool(2), conv(8, 5, P="same", bias=False), batchnorm(), relu, maxpool(2),
     flatten, dense(12), relu, input=(1, 12, 12), batch=5, classes=10, f32=True)
case("vgg_small", "two groups of two", conv(6, 3, P=1, bias=False), batchnorm(), relu, conv(6, 3, P=1, bias=False), batchnorm(), relu, maxpool(2),
     conv(10, 3, P=1, bias=False), batchnorm(), relu, conv(10, 3, P=1, bias=False), batchnorm(), relu, maxpool(2), dense(9), relu,
     input=(3, 8, 8), batch=4, classes=10)

# ---- loss, optimiser, clipping: one network ----

NET = (conv(4, 3, bias=False), batchnorm(), relu, conv(3, 2), act("tanh"), dense(6), act("tanh"))


def trained(name, claim, train, optimizer, **options):
    case(name, claim, *NET, train=train, optimizer=optimizer, input=(2, 5, 5), **options)


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2: PyTorch has none."""

    def __init__(self, groups, lr, beta1=0.9, beta2=0.99, weight_decay=0.0):
        super().__init__(groups, dict(lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                direction = (group["beta1"] * m + (1 - group["beta1"]) * p.grad).sign()
                p -= group["lr"] * (direction + group["weight_decay"] * p)
                m.mul_(group["beta2"]).add_(p.grad, alpha=1 - group["beta2"])


def trust(length, other):
    return length / other if length > 0 and other > 0 else 1.0


class Lamb(torch.optim.Optimizer):
    """You et al. 2020, algorithm 2: PyTorch has none."""

    def __init__(self, groups, lr, beta1=0.9, beta2=0.999, eps=1e-6, weight_decay=0.01):
        super().__init__(groups, dict(lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                t = state.setdefault("step", torch.tensor(0.0)).add_(1).item()
                m, v = (state.setdefault(name, torch.zeros_like(p)) for name in ("exp_avg", "exp_avg_sq"))
                m.mul_(group["beta1"]).add_(p.grad, alpha=1 - group["beta1"])
                v.mul_(group["beta2"]).addcmul_(p.grad, p.grad, value=1 - group["beta2"])
                r = (m / (1 - group["beta1"] ** t)) / ((v / (1 - group["beta2"] ** t)).sqrt() + group["eps"]) + group["weight_decay"] * p
                p -= group["lr"] * trust(p.norm(), r.norm()) * r


class Lars(torch.optim.Optimizer):
    """You, Gitman and Ginsburg 2017, algorithm 1: PyTorch has none."""

    def __init__(self, groups, lr, momentum=0.9, weight_decay=0.0, trust=0.001):
        super().__init__(groups, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, trust=trust))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                v = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                length, slope = p.norm(), p.grad.norm()
                rate = group["trust"] * length / (slope + group["weight_decay"] * length) if length > 0 and slope > 0 else 1.0
                v.mul_(group["momentum"]).add_(group["lr"] * rate * (p.grad + group["weight_decay"] * p))
                p -= v


def sgd(**k):
    return lambda groups: torch.optim.SGD(groups, **k)


case("smoothing", "label smoothing 0.1", *NET, train="loss = cross_entropy(smoothing=0.1)  optimizer = sgd(lr=0.1)", smoothing=0.1, input=(2, 5, 5), classes=7)


def one_hot(logits, y):
    return F.one_hot(y, logits.shape[1]).to(logits.dtype)


WEIGHTS = [0.5, 2.0, 1.0, 3.5]
LOSSES = [  # name, what the file says, PyTorch's
    ("weights", f"cross_entropy(weights={WEIGHTS})", lambda x, y: F.cross_entropy(x, y, torch.tensor(WEIGHTS, dtype=x.dtype))),
    ("weights_smoothing", f"cross_entropy(smoothing=0.2, weights={WEIGHTS})",
     lambda x, y: F.cross_entropy(x, y, torch.tensor(WEIGHTS, dtype=x.dtype), label_smoothing=0.2)),
    ("mse", "mse", lambda x, y: F.mse_loss(x, one_hot(x, y))),
    ("mae", "mae", lambda x, y: F.l1_loss(x, one_hot(x, y))),
    ("huber", "huber(delta=0.7)", lambda x, y: F.huber_loss(x, one_hot(x, y), delta=0.7)),
    ("bce", "bce", lambda x, y: F.binary_cross_entropy_with_logits(x, one_hot(x, y))),
    ("hinge", "hinge(margin=0.8)", lambda x, y: F.multi_margin_loss(x, y, margin=0.8)),
    ("focal", "focal", lambda x, y: ((1 - x.softmax(1)) ** 2 * -x.log_softmax(1)).gather(1, y[:, None]).mean()),
    ("focal_argument", "focal(gamma=1.5)", lambda x, y: ((1 - x.softmax(1)) ** 1.5 * -x.log_softmax(1)).gather(1, y[:, None]).mean()),
]
for name, text, function in LOSSES:
    case(f"loss_{name}", text, *NET, train=f"loss = {text}  optimizer = sgd(lr=0.1)", loss=function, input=(2, 5, 5), f32=name in ("bce", "focal"))
    case(f"loss_{name}_extreme", f"{text}, logits of about 1e4 and -1e4", input=(1, 2, 3), batch=5, spread=8e3,
         train=f"loss = {text}  optimizer = sgd(lr=0.1)", loss=function)


def mixture(loss):
    """The mean over samples of mix L(y) + (1 - mix) L(y2), for a loss that is a mean over samples."""
    return lambda x, y, y2, mix: torch.stack([m * loss(x[i:i + 1], y[i:i + 1]) + (1 - m) * loss(x[i:i + 1], y2[i:i + 1]) for i, m in enumerate(mix)]).mean()


def weighted_mixture(x, y, y2, mix, smoothing=0.0):
    """Both sums of PyTorch's weighted mean, mixed."""
    w = torch.tensor(WEIGHTS, dtype=x.dtype)
    parts = [(m, F.cross_entropy(x, t, w, reduction="none", label_smoothing=smoothing), w[t]) for m, t in ((mix, y), (1 - mix, y2))]
    return sum((m * l).sum() for m, l, _ in parts) / sum((m * v).sum() for m, _, v in parts)


MIXES = 'data { train = idx("images", "labels")  augment { mixup -> cutmix } }\n'
smooth = lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1)
for name, text, loss, mixed in [("cross_entropy", "cross_entropy", None, mixture(F.cross_entropy)), ("smoothing", "cross_entropy(smoothing=0.1)", smooth, mixture(smooth)),
                                ("weights", LOSSES[0][1], LOSSES[0][2], weighted_mixture),
                                ("weights_smoothing", LOSSES[1][1], LOSSES[1][2], lambda *a: weighted_mixture(*a, smoothing=0.2)),
                                *((n, t, f, mixture(f)) for n, t, f in LOSSES[2:6] + LOSSES[7:8]),
                                ("multi_margin", *LOSSES[6][1:], mixture(LOSSES[6][2]))]:  # inputs that lie beside no kink, unlike those drawn for mixed_hinge
    case(f"mixed_{name}", f"two labels a sample, {text}", *NET, train=f"loss = {text}  optimizer = sgd(lr=0.1)", definitions=MIXES, loss=loss, mixed=mixed,
         input=(2, 5, 5), f32=name in ("cross_entropy", "focal"))
V = {"v": "momentum_buffer"}
ADAM = {"m": "exp_avg", "v": "exp_avg_sq"}
trained("sgd_momentum", "momentum", "optimizer = sgd(lr=0.05, momentum=0.9)", sgd(lr=0.05, momentum=0.9), states=V)
trained("sgd_nesterov", "Nesterov's momentum and weight decay", "optimizer = sgd(lr=0.05, momentum=0.9, nesterov=true, weight_decay=0.1)",
        sgd(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1), states=V)
trained("sgd_first_step", "momentum, from its initial state", "optimizer = sgd(lr=0.05, momentum=0.9, nesterov=true)",
        sgd(lr=0.05, momentum=0.9, nesterov=True))
trained("sgd_no_decay", "biases and batchnorm are not decayed",
        "optimizer = sgd(lr=0.05, weight_decay=0.2)  no_decay = [bias, batchnorm]", sgd(lr=0.05, weight_decay=0.2), no_decay=("bias", "batchnorm"))
trained("sgd_no_decay_bias", "biases alone are not decayed",
        "optimizer = sgd(lr=0.05, weight_decay=0.2)  no_decay = [bias]", sgd(lr=0.05, weight_decay=0.2), no_decay=("bias",))
trained("clip_norm", "clipping by norm", "optimizer = sgd(lr=0.1)  clip = norm(0.25)", sgd(lr=0.1), clip=("norm", 0.25))
trained("clip_norm_slack", "a norm that is not reached changes nothing", "optimizer = sgd(lr=0.1)  clip = norm(1000.0)", sgd(lr=0.1), clip=("norm", 1000.0))
trained("clip_value", "clipping by value", "optimizer = sgd(lr=0.1, momentum=0.9)  clip = value(0.02)", sgd(lr=0.1, momentum=0.9), clip=("value", 0.02))
trained("adam", "Adam as it comes", "optimizer = adam(lr=0.01)", lambda g: torch.optim.Adam(g, lr=0.01), f32=True)
trained("adam_large", "Adam at a rate where the rounding of its bias correction, 1 - beta^step, would show", "optimizer = adam(lr=10)",
        lambda g: torch.optim.Adam(g, lr=10), f32=True)
trained("adam_later", "Adam with moments from earlier", "optimizer = adam(lr=0.01)", lambda g: torch.optim.Adam(g, lr=0.01), states=ADAM)
trained("adam_decay", "Adam, its own betas and eps, decay in the gradient, clipped",
        "optimizer = adam(lr=0.02, beta1=0.8, beta2=0.95, eps=0.0001, weight_decay=0.1)  no_decay = [bias, batchnorm]  clip = norm(0.5)",
        lambda g: torch.optim.Adam(g, lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1), no_decay=("bias", "batchnorm"), clip=("norm", 0.5),
        states=ADAM)
trained("adamw", "AdamW as it comes", "optimizer = adamw(lr=0.01)", lambda g: torch.optim.AdamW(g, lr=0.01))
trained("adamw_no_decay", "AdamW, decay of weights alone", "optimizer = adamw(lr=0.01, weight_decay=0.3)  no_decay = [bias, batchnorm]",
        lambda g: torch.optim.AdamW(g, lr=0.01, weight_decay=0.3), no_decay=("bias", "batchnorm"), states=ADAM)
trained("nadam", "NAdam with moments from earlier, decay in the gradient", "optimizer = nadam(lr=0.01, weight_decay=0.1)",
        lambda g: torch.optim.NAdam(g, lr=0.01, weight_decay=0.1), states=ADAM)
trained("adagrad", "Adagrad with its sum from earlier", "optimizer = adagrad(lr=0.05, weight_decay=0.1)",
        lambda g: torch.optim.Adagrad(g, lr=0.05, weight_decay=0.1), states={"sum": "sum"})
trained("adadelta", "Adadelta with both its means from earlier", "optimizer = adadelta(rho=0.8)", lambda g: torch.optim.Adadelta(g, lr=1.0, rho=0.8),
        states={"square": "square_avg", "steps": "acc_delta"})
trained("lion", "Lion with its mean from earlier", "optimizer = lion(lr=0.01, weight_decay=0.1)", lambda g: Lion(g, lr=0.01, weight_decay=0.1),
        states={"m": "exp_avg"})
trained("lamb", "LAMB as it comes", "optimizer = lamb(lr=0.01)", lambda g: Lamb(g, lr=0.01), f32=True)
trained("lamb_later", "LAMB with moments from earlier, decay of weights alone, clipped by norm",
        "optimizer = lamb(lr=0.02, beta1=0.8, beta2=0.95, eps=0.0001, weight_decay=0.1)  no_decay = [bias, batchnorm]  clip = norm(0.5)",
        lambda g: Lamb(g, lr=0.02, beta1=0.8, beta2=0.95, eps=1e-4, weight_decay=0.1), no_decay=("bias", "batchnorm"), clip=("norm", 0.5), states=ADAM)
trained("lamb_clip_value", "LAMB on gradients clipped by value", "optimizer = lamb(lr=0.02)  clip = value(0.02)", lambda g: Lamb(g, lr=0.02), clip=("value", 0.02))
trained("lars", "LARS with momentum from earlier", "optimizer = lars(lr=0.5, weight_decay=0.1, trust=0.02)",
        lambda g: Lars(g, lr=0.5, weight_decay=0.1, trust=0.02), states=V)
trained("lars_no_decay", "LARS, decay of weights alone", "optimizer = lars(lr=0.5, momentum=0.5, weight_decay=0.3)  no_decay = [bias, batchnorm]",
        lambda g: Lars(g, lr=0.5, momentum=0.5, weight_decay=0.3), no_decay=("bias", "batchnorm"))
trained("rmsprop", "RMSprop as it comes", "optimizer = rmsprop(lr=0.01)", lambda g: torch.optim.RMSprop(g, lr=0.01))
trained("rmsprop_decay", "RMSprop, its own alpha and eps, decay and momentum", "optimizer = rmsprop(lr=0.02, alpha=0.9, eps=0.001, weight_decay=0.1, momentum=0.5)",
        lambda g: torch.optim.RMSprop(g, lr=0.02, alpha=0.9, eps=1e-3, weight_decay=0.1, momentum=0.5),
        states={"square": "square_avg", "v": "momentum_buffer"})
trained("rmsprop_centered", "RMSprop around the mean gradient", "optimizer = rmsprop(lr=0.02, centered=true)",
        lambda g: torch.optim.RMSprop(g, lr=0.02, centered=True), states={"square": "square_avg", "mean": "grad_avg"})

# ---- optimisers and activations of the file's own ----

OWN_OPTIMIZER = """optimizer halves(lr, floor=0.5) {
  state seen = 0
  seen = seen + abs(grad)
  rate = lr / (1 + sqrt(step)) if step > 2 else lr * floor
  param = param - rate * (grad if abs(grad) > 0.01 else 2 * grad) / (1 + seen)
}
"""


class Halves(torch.optim.Optimizer):
    """OWN_OPTIMIZER's first step, in PyTorch"""

    def __init__(self, groups, lr):
        super().__init__(groups, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                g = torch.where(p.grad.abs() > 0.01, p.grad, 2 * p.grad)
                p -= group["lr"] * 0.5 * g / (1 + p.grad.abs())


trained("own_optimizer", "an optimiser of the file's own: a state, a local, a choice, the number of the step", "optimizer = halves(lr=0.2)",
        lambda g: Halves(g, lr=0.2), definitions=OWN_OPTIMIZER, f32=True)
