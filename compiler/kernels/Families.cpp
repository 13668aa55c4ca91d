// Convolutions, dense layers and pools, with the packing and the partial sums that they need.
// In: linalg.generic with cnn.kernel and cnn.geometry.  Out: launches.
#include "compiler/kernels/Lowering.h"
#include "compiler/kernels/Windows.h"

using namespace mlir;

namespace cnnc {

/// From this many rows on a dense layer is worth packing its weights for; below, each weight is read once and a dot product does.
constexpr int64_t packedDenseRows = 8;

LogicalResult Lowering::lowerFamily(linalg::GenericOp op, StringRef family) {
  WindowGeometry g = WindowGeometry::fromAttr(op->getAttrOfType<DenseI64ArrayAttr>("cnn.geometry"));
  Location loc = op.getLoc();
  Type element = cast<ShapedType>(op->getResult(0).getType()).getElementType();
  Value result = op->getResult(0);
  auto first = ref(op.getInputs()[0]);
  if (failed(first))
    return failure();
  std::string key = g.text(); // what a kernel is made from, beside its family and the types of its buffers
  int64_t inputs = g.N * g.H * g.W * g.C, outputs = g.N * g.OH * g.OW * g.O, filter = g.O * g.KH * g.KW * (g.C / g.G);
  // The second operand of pools is a window or a constant: it has no place and needs none.
  bool pool = family == "maxpool" || family == "avgpool" || family == "avgpool_grad";
  FailureOr<Ref> second = pool ? FailureOr<Ref>(Ref()) : ref(op.getInputs()[1]);
  if (failed(second))
    return failure();

  int64_t lanes = target.vectorBytes / elementBytes(element);
  if (family == "conv") {
    GatherConv direct = GatherConv::forward(g);
    if (WinogradConv c = WinogradConv::forward(g); winogradPays(g, c, direct.flops(), target, lanes))
      winograd(loc, family, c, *first, *second, newBuffer(result), element);
    else
      gather(loc, family, key, direct, *first, inputs, *second, filter, newBuffer(result), outputs, element);
  } else if (family == "conv_input_grad") { // dy, w
    int64_t block = filterBlock(g.C / g.G);
    Ref packed = scratch(filter, element);
    transpose(loc, filterTransposition(g, block), *second, packed, filter, element);
    Ref dx = newBuffer(result, inputs);
    where[result].cropped = g.PT || g.PL || g.PB || g.PR;
    GatherConv direct = GatherConv::inputGrad(g, block);
    if (WinogradConv c = WinogradConv::inputGrad(g, block); winogradPays(g, c, direct.flops(), target, lanes))
      winograd(loc, family, c, *first, packed, dx, element);
    else
      gather(loc, family, key, direct, *first, outputs, packed, filter, dx, inputs, element);
  } else if (family == "conv_filter_grad") { // x, dy
    FilterGrad direct = FilterGrad::of(g);
    if (WinogradConv c = WinogradConv::forward(g); winogradPays(g, c, direct.flops(), target, lanes))
      winogradFilterGrad(loc, c, *first, *second, newBuffer(result), element);
    else
      filterGrad(loc, family, key, direct, *first, inputs, *second, outputs, newBuffer(result), element);
  } else if (family == "dense") { // x, w
    dense(loc, g, *first, *second, newBuffer(result), element);
  } else if (family == "dense_input_grad") { // w (O,I), dy (N,O): the lanes run along i, the taps along o
    GatherConv c;
    c.N = g.N, c.outChannels = g.C, c.inChannels = g.O;
    c.rows = c.columns = {Phase{0, 1, 1, {{0, 0}}}};
    c.block = filterBlock(g.C), c.wBlock = c.block, c.wChannel = g.C;
    gather(loc, family, key, c, *second, g.N * g.O, *first, g.O * g.C, newBuffer(result), g.N * g.C, element);
  } else if (family == "dense_filter_grad") { // x (N,I), dy (N,O): dy is broadcast, the lanes run along i
    FilterGrad f;
    f.N = g.N, f.xChannels = g.O, f.yChannels = g.C;
    f.block = filterBlock(g.C), f.wBlock = f.block, f.wChannel = g.C;
    filterGrad(loc, family, key, f, *second, g.N * g.O, *first, g.N * g.C, newBuffer(result), element);
  } else if (family == "maxpool") {
    Type index = cast<ShapedType>(op->getResult(1).getType()).getElementType();
    Ref y = newBuffer(result), indices = newBuffer(op->getResult(1));
    launch(loc, family, key, {{*first, inputs, element, false}, {y, outputs, element, true}, {indices, outputs, index, true}}, 0,
           [&](KernelBuilder &k, ArrayRef<int>) { return buildMaxPool(k, g, element, index); });
  } else if (family == "maxpool_grad") { // dy, indices
    Type index = cast<ShapedType>(op.getInputs()[1].getType()).getElementType();
    Ref dx = newBuffer(result, inputs);
    where[result].cropped = g.PT || g.PL || g.PB || g.PR;
    launch(loc, family, key, {{*first, outputs, element, false}, {*second, outputs, index, false}, {dx, inputs, element, true}}, 0,
           [&](KernelBuilder &k, ArrayRef<int>) { return buildMaxPoolGrad(k, g, element, index); });
  } else if (family == "avgpool") {
    launch(loc, family, key, {{*first, inputs, element, false}, {newBuffer(result), outputs, element, true}}, 0,
           [&](KernelBuilder &k, ArrayRef<int>) { return buildAvgPool(k, g, element); });
  } else if (family == "avgpool_grad") {
    Ref dx = newBuffer(result, inputs);
    where[result].cropped = g.PT || g.PL || g.PB || g.PR;
    launch(loc, family, key, {{*first, outputs, element, false}, {dx, inputs, element, true}}, 0,
           [&](KernelBuilder &k, ArrayRef<int>) { return buildAvgPoolGrad(k, g, element); });
  } else if (family == "depthwise" || family == "depthwise_input_grad") {
    bool forward = family == "depthwise";
    Ref y = newBuffer(result, forward ? outputs : inputs);
    where[result].cropped = !forward && (g.PT || g.PL || g.PB || g.PR);
    launch(loc, family, key,
           {{*first, forward ? inputs : outputs, element, false}, {*second, filter, element, false}, {y, forward ? outputs : inputs, element, true}},
           2 * outputs * g.KH * g.KW, [&](KernelBuilder &k, ArrayRef<int>) {
             return forward ? buildDepthwise(k, g, element) : buildDepthwiseInputGrad(k, g, element);
           });
  } else if (family == "depthwise_filter_grad") {
    FilterGrad f = FilterGrad::of(g);
    int64_t parts = filterGradParts(f, elementBytes(element));
    summedParts(loc, family, parts, filter, newBuffer(result), element, [&](Ref out) {
      launch(loc, family, key, {{*first, inputs, element, false}, {*second, outputs, element, false}, {out, parts * filter, element, true}},
             2 * outputs * g.KH * g.KW, [&](KernelBuilder &k, ArrayRef<int>) { return buildDepthwiseFilterGrad(k, g, parts, element); });
    });
  } else {
    return op.emitOpError("is of an unknown family ") << family;
  }
  return success();
}

void Lowering::gather(Location loc, StringRef family, StringRef key, const GatherConv &c, Ref x, int64_t xElements, Ref w, int64_t wElements, Ref y,
              int64_t yElements, Type element) {
  launch(loc, family, key, {{x, xElements, element, false}, {w, wElements, element, false}, {y, yElements, element, true}}, c.flops(),
         [&](KernelBuilder &k, ArrayRef<int>) { return buildGatherConv(k, c, element); });
}

void Lowering::winograd(Location loc, StringRef family, const WinogradConv &c, Ref x, Ref w, Ref y, Type element) {
  int64_t taps = c.O * c.C * 9;
  Ref u = scratch(c.transformedFilter(), element);
  launch(loc, "winograd_filter", textOf({c.C, c.O, c.block, c.turned}), {{w, taps, element, false}, {u, c.transformedFilter(), element, true}}, 0,
         [&](KernelBuilder &k, ArrayRef<int>) { return buildWinogradFilter(k, c, element); });
  launch(loc, ("winograd_" + family).str(), c.text(),
         {{x, c.N * c.H * c.W * c.C, element, false}, {u, c.transformedFilter(), element, false}, {y, c.N * c.OH * c.OW * c.O, element, true}},
         c.flops(), [&](KernelBuilder &k, ArrayRef<int>) { return buildWinogradConv(k, c, element); });
}

void Lowering::winogradFilterGrad(Location loc, const WinogradConv &c, Ref x, Ref dy, Ref dw, Type element) {
  auto f = WinogradFilterGrad::of(c, target.vectorBytes / elementBytes(element));
  Ref sums = scratch(f.size(), element);
  launch(loc, "winograd_conv_filter_grad", c.text(),
         {{x, c.N * c.H * c.W * c.C, element, false}, {dy, c.N * c.OH * c.OW * c.O, element, false}, {sums, f.size(), element, true}}, c.flops(),
         [&](KernelBuilder &k, ArrayRef<int>) { return buildWinogradFilterGrad(k, f, element); });
  launch(loc, "winograd_filter_end", textOf({c.C, c.O, c.block, f.parts}), {{sums, f.size(), element, false}, {dw, c.O * c.C * 9, element, true}}, 0,
         [&](KernelBuilder &k, ArrayRef<int>) { return buildWinogradFilterGradEnd(k, f, element); });
}

void Lowering::dense(Location loc, const WindowGeometry &g, Ref x, Ref w, Ref y, Type element) {
  uint64_t flops = 2ull * g.N * g.C * g.O;
  if (g.N < packedDenseRows) {
    launch(loc, "dense", g.text(), {{x, g.N * g.C, element, false}, {w, g.O * g.C, element, false}, {y, g.N * g.O, element, true}}, flops,
           [&](KernelBuilder &k, ArrayRef<int>) { return buildDenseDot(k, g.N, g.C, g.O, element); });
    return;
  }
  int64_t block = filterBlock(g.O);
  Ref packed = scratch(g.O * g.C, element);
  Transposition t; // (O,I) -> [O/block][I][block]
  t.loops = {{g.O / block, block * g.C, block * g.C}};
  t.rows = block, t.columns = g.C, t.sourceRow = g.C, t.targetRow = block;
  transpose(loc, t, w, packed, g.O * g.C, element);
  GatherConv c;
  c.N = g.N, c.outChannels = g.O, c.inChannels = g.C;
  c.rows = c.columns = {Phase{0, 1, 1, {{0, 0}}}};
  c.block = block, c.wBlock = block * g.C, c.wChannel = block;
  gather(loc, "dense", g.text(), c, x, g.N * g.C, packed, g.O * g.C, y, g.N * g.O, element);
}

void Lowering::summedParts(Location loc, StringRef family, int64_t parts, int64_t size, Ref out, Type element, llvm::function_ref<void(Ref)> partial) {
  if (parts == 1)
    return partial(out);
  Ref sums = scratch(parts * size, element);
  partial(sums);
  combine(loc, sums, element, out, element, parts, size, /*isMax=*/false);
}

void Lowering::filterGrad(Location loc, StringRef family, StringRef key, FilterGrad f, Ref x, int64_t xElements, Ref dy, int64_t yElements, Ref dw, Type element) {
  f.parts = filterGradParts(f, elementBytes(element));
  summedParts(loc, family, f.parts, f.size(), dw, element, [&](Ref out) {
    launch(loc, family, key, {{x, xElements, element, false}, {dy, yElements, element, false}, {out, f.parts * f.size(), element, true}},
           f.flops(), [&](KernelBuilder &k, ArrayRef<int>) {
             buildFilterGrad(k, f, element);
             return f.pieces();
           });
  });
}

void Lowering::transpose(Location loc, const Transposition &t, Ref from, Ref to, int64_t elements, Type element) {
  launch(loc, "transpose", t.text(), {{from, elements, element, false}, {to, elements, element, true}}, 0,
         [&](KernelBuilder &k, ArrayRef<int>) { return buildTransposition(k, t, element); });
}

} // namespace cnnc
