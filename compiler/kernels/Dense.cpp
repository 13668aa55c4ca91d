// Dense layers of few rows: y[n,o] = sum_i x[n,i] w[o,i] with vectors along i, so that the weights are read once and never packed.
// In: extents, buffers x, w, y.  Out: tiles of several outputs o, one accumulator each, summed across lanes at the end.
#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/Tiles.h"

using namespace mlir;

namespace cnnc {

int64_t buildDenseDot(KernelBuilder &k, int64_t N, int64_t I, int64_t O, Type element) {
  int64_t lanes = k.lanes(element);
  constexpr int64_t tile = 8; // as many accumulators as hide the latency of an addition
  constexpr int64_t outputsPerPiece = 32;
  Value x = k.buffer(0), w = k.buffer(1), y = k.buffer(2);
  auto outputs = [&](Value n, Value o, int64_t count) {
    SmallVector<Value> acc(count, k.zeroVector(element, lanes));
    Value xRow = k.mul(n, I), wRow = k.mul(o, I);
    auto step = [&](Value i, int64_t width, SmallVector<Value> a) {
      Value xs = k.load(x, k.add(xRow, i), lanes, width);
      for (int64_t t = 0; t < count; ++t)
        a[t] = k.fma(xs, k.load(w, k.add(k.add(wRow, i), t * I), lanes, width), a[t]);
      return a;
    };
    int64_t whole = I / lanes * lanes;
    acc = k.loop(k.constant(0), k.constant(whole), lanes, acc,
                 [&](Value i, ValueRange carried) { return step(i, lanes, SmallVector<Value>(carried)); });
    if (whole < I)
      acc = step(k.constant(whole), I - whole, acc);
    for (int64_t t = 0; t < count; ++t) {
      Value sum = vector::ReductionOp::create(k.b, k.loc, vector::CombiningKind::ADD, acc[t], arith::FastMathFlags::reassoc);
      k.storeScalar(sum, y, k.add(k.add(k.mul(n, O), o), t));
    }
  };
  int64_t whole = O / tile * tile;
  Value first = k.mul(k.piece, outputsPerPiece);
  Value last = k.min(k.add(first, outputsPerPiece), k.constant(O));
  k.loop(k.constant(0), k.constant(N), 1, [&](Value n) {
    k.loop(first, k.min(last, k.constant(whole)), tile, [&](Value o) { outputs(n, o, tile); });
    if (whole < O)
      k.when(k.less(k.constant(whole), last), [&] { outputs(n, k.constant(whole), O - whole); });
  });
  k.finish();
  return (O + outputsPerPiece - 1) / outputsPerPiece;
}

} // namespace cnnc
