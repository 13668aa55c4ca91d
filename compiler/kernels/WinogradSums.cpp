// dw = G^T dU G: the end of Winograd's filter gradient.
// In: sums in the transformed form, of several parts, which are added in order.  Out: dw.
#include "compiler/kernels/WinogradSums.h"

using namespace mlir;

namespace cnnc {

/// How much of an axis of `extent` the block has that begins at `number * size`.
static Value partOf(KernelBuilder &k, Value number, int64_t size, int64_t extent) {
  return extent % size == 0 ? k.constant(size) : k.min(k.constant(size), k.sub(k.constant(extent), k.mul(number, size)));
}
Value channelsOf(KernelBuilder &k, const WinogradFilterGrad &f, Value channelBlock) { return partOf(k, channelBlock, f.channels, f.conv.C); }
Value outputsOf(KernelBuilder &k, const WinogradFilterGrad &f, Value outputBlock, int64_t lanes) {
  return partOf(k, outputBlock, f.outputs, f.conv.paddedOutputs(lanes));
}

WinogradSums WinogradSums::ofBlock(KernelBuilder &k, const WinogradFilterGrad &f, Value memory, Value from, Value channelBlock, Value outputBlock, int64_t lanes) {
  return {memory, from, f.outputs, f.cell, channelsOf(k, f, channelBlock), outputsOf(k, f, outputBlock, lanes), k.constant(0), k.constant(0)};
}

void endChannel(KernelBuilder &k, const WinogradFilterGrad &f, WinogradTransforms &transforms, const WinogradSums &s, Value channel, int64_t lanes,
                llvm::function_ref<void(Value lane, int64_t tap, Value value)> use) {
  const WinogradConv &c = f.conv;
  const auto places = c.form.rowPlaces();
  const int64_t cells = (s.columnsEnd ? c.form.taps : c.form.side()) * c.form.side();
  k.loop(k.constant(0), s.outputs, lanes, [&](Value lane) {
    Value first = k.add(k.add(s.from, k.mul(channel, s.row)), lane);
    SmallVector<Value> u;
    for (int64_t p = 0; p < cells; ++p)
      u.push_back(k.load(s.memory, k.add(first, p * s.cell), lanes));
    u = k.loop(k.constant(1), k.constant(f.parts), 1, u, [&](Value part, ValueRange carried) {
      SmallVector<Value> next;
      Value at = k.add(first, k.mul(part, f.blocks() * f.blockSums()));
      for (auto [p, sum] : llvm::enumerate(carried))
        next.push_back(arith::AddFOp::create(k.b, k.loc, sum, k.load(s.memory, k.add(at, p * s.cell), lanes)));
      return next;
    });
    auto ofTap = [&](int64_t t, Value value) { use(lane, t, value); };
    if (s.columnsEnd)
      transforms.filterAdjointOfRows([&](int64_t i, int64_t j) { return u[i * c.form.side() + j]; }, ofTap);
    else
      transforms.filterAdjoint([&](int64_t i, int64_t j) { return u[places[i] * c.form.side() + j]; }, ofTap);
  });
}

Value placeOf(KernelBuilder &k, const WinogradFilterGrad &f, Value channelBlock, Value channel, Value outputBlock, Value output, int64_t lanes) {
  const WinogradConv &c = f.conv;
  Value o = k.add(k.mul(outputBlock, f.outputs), output);
  const int64_t padded = c.paddedBlock(lanes);
  Value to = k.add(k.mul(k.div(o, padded), f.taps() * c.C * c.block), k.add(k.mul(channelBlock, f.channels * c.block), k.mul(channel, c.block)));
  return k.add(to, k.mod(o, padded));
}

void storeInBlock(KernelBuilder &k, const WinogradConv &c, StoreLanes store, Value value, Value to, Value inBlock, int64_t lanes) {
  if (c.block % lanes == 0)
    return store(value, to, lanes);
  auto when = [&](arith::CmpIPredicate predicate, int64_t width) {
    k.when(k.b.createOrFold<arith::CmpIOp>(k.loc, predicate, inBlock, k.constant(c.block - lanes)), [&] { store(value, to, width); });
  };
  when(arith::CmpIPredicate::sle, lanes);
  when(arith::CmpIPredicate::sgt, c.block % lanes);
}

int64_t buildWinogradFilterGradEnd(KernelBuilder &k, const WinogradFilterGrad &f, Type element, StoreLanes store) {
  const WinogradConv &c = f.conv;
  WinogradTransforms transforms(k, c, element);
  const int64_t lanes = k.lanes(element);
  // A piece is one input channel.
  Value channelBlock = k.div(k.piece, f.channels), channel = k.mod(k.piece, f.channels);
  k.loop(k.constant(0), k.constant(f.outputBlocks), 1, [&](Value outputBlock) {
    Value from = k.mul(k.add(k.mul(channelBlock, f.outputBlocks), outputBlock), f.blockSums());
    const WinogradSums s = WinogradSums::ofBlock(k, f, k.buffer(0), from, channelBlock, outputBlock, lanes);
    endChannel(k, f, transforms, s, channel, lanes, [&](Value lane, int64_t tap, Value value) {
      Value inBlock = k.mod(k.add(k.mul(outputBlock, f.outputs), lane), c.paddedBlock(lanes));
      storeInBlock(k, c, store, value, k.add(placeOf(k, f, channelBlock, channel, outputBlock, lane, lanes), tap * c.C * c.block), inBlock, lanes);
    });
  });
  k.finish();
  return c.C;
}

} // namespace cnnc
