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
  auto column = [&](Value c, int64_t width) {
    Value sum = k.load(k.buffer(0), c, lanes, width);
    sum = k.loop(k.constant(1), k.constant(parts), 1, sum, [&](Value p, ValueRange a) -> SmallVector<Value> {
      return {join(a[0], k.load(k.buffer(0), k.add(k.mul(p, C), c), lanes, width))};
    })[0];
    if (partial != out)
      sum = arith::TruncFOp::create(k.b, k.loc, VectorType::get(lanes, out), sum);
    store(sum, c, width);
  };
  int64_t whole = C / lanes * lanes;
  Value first = k.mul(k.piece, perPiece);
  if (whole)
    k.loop(first, k.min(k.add(first, perPiece), k.constant(whole)), lanes, [&](Value c) { column(c, lanes); });
  if (whole < C)
    k.when(k.equal(k.piece, k.constant(pieces - 1)), [&] { column(k.constant(whole), C - whole); });
  k.finish();
}

} // namespace cnnc
