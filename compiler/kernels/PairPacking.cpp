// Packs rows two by two, as bf16: filters along their input channels, maps along pixels; and takes f32 apart into two bf16.
// In: PairPacking, buffers source, target.  Out: loops over pairs of rows with vectors along the row.
#include "compiler/kernels/Contractions.h"
#include "compiler/target/Tiles.h"

using namespace mlir;

namespace cnnc {

std::string PairPacking::text() const { return textOf({groups, rows, width, count, first, step, second, split, images}); }

int64_t buildPairPacking(KernelBuilder &k, const PairPacking &p) {
  constexpr int64_t grain = 16384;
  int64_t lanes = k.lanes(k.b.getF32Type()), whole = p.width / lanes * lanes;
  int64_t all = p.groups * p.count, perPiece = std::max<int64_t>(1, grain / p.width);
  if (p.images) {
    const int64_t ofImage = all / p.images;
    const ImageCut cut = cutImages(double(ofImage * p.width), double(grain), p.images, ofImage);
    perPiece = ofImage * cut.images / cut.pieces;
  }
  Value zero = k.zeroVector(k.b.getF32Type(), lanes);
  /// Where a row begins, and whether it is one; null where all are.
  struct Row {
    Value at, exists;
  };
  auto rowOf = [&](Value group, Value i, int64_t shift) {
    int64_t lowest = p.first + shift, highest = lowest + (p.count - 1) * p.step;
    Value row = k.add(k.mul(i, p.step), lowest), exists;
    if (lowest < 0 || highest >= p.rows) {
      exists = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::ult, row, k.constant(p.rows));
      row = k.max(k.min(row, k.constant(p.rows - 1)), k.constant(0));
    }
    return Row{k.mul(k.add(k.mul(group, p.rows), row), p.width), exists};
  };
  Value from = k.mul(k.piece, perPiece);
  k.loop(from, k.min(k.add(from, perPiece), k.constant(all)), 1, [&](Value number) {
    Value group = k.div(number, p.count), i = k.mod(number, p.count);
    Row low = rowOf(group, i, 0), high = rowOf(group, i, p.second);
    Value to = k.mul(number, p.width);
    auto move = [&](Value c, int64_t width) {
      auto load = [&](const Row &row) {
        Value values = k.load(k.buffer(0), k.add(row.at, c), lanes, width);
        return row.exists ? Value(arith::SelectOp::create(k.b, k.loc, k.splat(row.exists, lanes), values, zero)) : values;
      };
      Value even = load(low), odd = load(high);
      if (!p.split)
        return k.storePairs(even, odd, k.buffer(1), k.add(to, c), width);
      auto [evenHigh, evenLow] = k.split(even);
      auto [oddHigh, oddLow] = k.split(odd);
      k.storePairs(evenHigh, oddHigh, k.buffer(1), k.add(to, c), width);
      k.storePairs(evenLow, oddLow, k.buffer(1), k.add(k.add(to, c), p.targetElements() / 4), width);
    };
    k.loop(k.constant(0), k.constant(whole), lanes, [&](Value c) { move(c, lanes); });
    if (whole < p.width)
      move(k.constant(whole), p.width - whole);
  });
  k.finish();
  return (all + perPiece - 1) / perPiece;
}

int64_t buildSplit(KernelBuilder &k, int64_t elements) {
  constexpr int64_t grain = 16384;
  const int64_t lanes = k.lanes(k.b.getF32Type()), whole = elements / lanes * lanes;
  Value first = k.mul(k.piece, grain), last = k.add(first, grain);
  auto some = [&](Value at, int64_t width) {
    auto [high, low] = k.split(k.load(k.buffer(0), at, lanes, width));
    k.store(high, k.buffer(1), at, width);
    k.store(low, k.buffer(1), k.add(at, elements), width);
  };
  k.loop(first, k.min(last, k.constant(whole)), lanes, [&](Value at) { some(at, lanes); });
  if (whole < elements)
    k.when(k.less(k.constant(whole), last), [&] { some(k.constant(whole), elements - whole); });
  k.finish();
  return (elements + grain - 1) / grain;
}

} // namespace cnnc
