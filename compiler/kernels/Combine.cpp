// Adds up partial sums, or takes their maximum, in the order of the pieces that made them.
// In: buffers partial [parts][C], out [C].  Out: loops over vectors of the result.
#include "compiler/kernels/Nest.h"

using namespace mlir;

namespace cnnc {

int64_t combinePieces(int64_t C) {
  constexpr int64_t perPiece = 4096;
  return (C + perPiece - 1) / perPiece;
}

void buildCombine(KernelBuilder &k, bool isMax, int64_t parts, int64_t C, Type partial, Type out, StoreLanes store) {
  int64_t lanes = k.lanes(out), pieces = combinePieces(C);
  constexpr int64_t perPiece = 4096;
  auto join = [&](Value x, Value y) -> Value {
    if (isMax)
      return arith::MaximumFOp::create(k.b, k.loc, x, y);
    return arith::AddFOp::create(k.b, k.loc, x, y);
  };
  // Some vectors side by side: each part is read a few lines at a time, whole.
  auto columns = [&](Value c, int64_t vectors, int64_t width) {
    SmallVector<Value> sums;
    for (int64_t v = 0; v < vectors; ++v)
      sums.push_back(k.load(k.buffer(0), k.add(c, v * lanes), lanes, width));
    sums = k.loop(k.constant(1), k.constant(parts), 1, sums, [&](Value p, ValueRange a) {
      SmallVector<Value> joined;
      for (int64_t v = 0; v < vectors; ++v)
        joined.push_back(join(a[v], k.load(k.buffer(0), k.add(k.add(k.mul(p, C), c), v * lanes), lanes, width)));
      return joined;
    });
    for (int64_t v = 0; v < vectors; ++v) {
      if (partial != out)
        sums[v] = arith::TruncFOp::create(k.b, k.loc, VectorType::get(lanes, out), sums[v]);
      store(sums[v], k.add(c, v * lanes), width);
    }
  };
  const int64_t together = k.target.registers / 2;
  const int64_t whole = C / lanes * lanes, wide = C / (together * lanes) * (together * lanes);
  Value first = k.mul(k.piece, perPiece), end = k.add(first, perPiece);
  if (wide)
    k.loop(first, k.min(end, k.constant(wide)), together * lanes, [&](Value c) { columns(c, together, lanes); });
  if (wide < C)
    k.when(k.equal(k.piece, k.constant(pieces - 1)), [&] {
      k.loop(k.constant(wide), k.constant(whole), lanes, [&](Value c) { columns(c, 1, lanes); });
      if (whole < C)
        columns(k.constant(whole), 1, C - whole);
    });
  k.finish();
}

} // namespace cnnc
