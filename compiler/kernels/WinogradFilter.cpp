// The filters of Winograd's convolution, transformed into memory.
// In: WinogradConv, buffers w, u.  Out: a kernel whose pieces are runs of input channels of a block of outputs.
#include "compiler/kernels/WinogradTransforms.h"

using namespace mlir;

namespace cnnc {

int64_t buildWinogradFilter(KernelBuilder &k, const WinogradConv &c, Type element) {
  WinogradTransforms transforms(k, c, element);
  const int64_t lanes = k.lanes(element), cell = c.filterCell(k.target, lanes);
  const int64_t side = c.form.taps, taps = side * side, tap = c.C * c.block, units = c.pairs ? c.C / 2 : c.C;
  constexpr int64_t elements = 1024; // of a piece, about
  const int64_t grain = std::max<int64_t>(1, elements / c.block), perBlock = (units + grain - 1) / grain;
  Value ob = k.div(k.piece, perBlock), first = k.mul(k.mod(k.piece, perBlock), grain);
  Value from = k.mul(ob, taps * tap), to = k.mul(ob, c.form.cells() * cell);
  auto transformed = [&](Value at, int64_t width, WinogradTransforms::Use use) {
    transforms.filter(
        [&](int64_t i, int64_t j) {
          int64_t t = i * side + j;
          return k.load(k.buffer(0), k.add(k.add(from, at), (c.turned ? taps - 1 - t : t) * tap), lanes, width);
        },
        use);
  };
  // u[ob, all cells, chunk, unit, lane ...]; a unit of pairs is of two channels.
  auto transform = [&](Value unit, Value chunk, int64_t row, Value inChunk, int64_t width) {
    Value target = k.add(k.add(to, k.mul(chunk, units)), k.add(k.mul(unit, row), inChunk)), lane = k.add(chunk, inChunk);
    if (!c.pairs)
      return transformed(k.add(k.mul(unit, c.block), lane), width, [&](int64_t p, Value value) { k.store(value, k.buffer(1), k.add(target, p * cell), lanes); });
    Value low = k.add(k.mul(unit, 2 * c.block), lane);
    SmallVector<Value> lows;
    transformed(low, width, [&](int64_t, Value value) { lows.push_back(value); });
    transformed(k.add(low, c.block), width, [&](int64_t p, Value value) { k.storePairs(lows[p], value, k.buffer(1), k.add(target, p * cell), lanes); });
  };
  throughChunks(k, laneChunks(c.block, lanes), [&](Value start, const LaneChunk &chunk) {
    const int64_t row = chunk.vectors * lanes, whole = chunk.width / lanes * lanes;
    k.loop(first, k.min(k.add(first, grain), k.constant(units)), 1, [&](Value unit) {
      k.loop(k.constant(0), k.constant(whole), lanes, [&](Value lane) { transform(unit, start, row, lane, lanes); });
      if (whole < chunk.width)
        transform(unit, start, row, k.constant(whole), chunk.width - whole);
    });
  });
  k.finish();
  return c.O / c.block * perBlock;
}

} // namespace cnnc
