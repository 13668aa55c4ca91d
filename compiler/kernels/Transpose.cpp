// Transpositions in square register tiles: packing filters, also in pairs of bf16, and the change of order around flatten.
// In: Transposition, buffers source, target.  Out: loops over lanes x lanes tiles; the rest element by element.
#include "compiler/kernels/Contractions.h"

#include <algorithm>

using namespace mlir;

namespace cnnc {

std::string textOf(ArrayRef<int64_t> numbers) {
  std::string s;
  for (int64_t n : numbers)
    s += std::to_string(n) + ' ';
  return s;
}

std::string Transposition::text() const {
  std::string s = textOf({rows, columns, sourceRow, targetRow, pairs, split});
  for (const Loop &l : loops)
    s += textOf({l.extent, l.source, l.target});
  return s;
}

Transposition Transposition::inPairs(bool split) const {
  Transposition t = *this;
  t.pairs = true, t.split = split, t.columns /= 2;
  for (Loop &l : t.loops)
    l.target /= 2;
  return t;
}

int64_t Transposition::targetElements() const {
  int64_t all = rows * columns * (pairs ? 2 : 1) * (split ? 2 : 1);
  for (const Loop &l : loops)
    all *= l.extent;
  return all;
}

/// x86 shuffles run within 128 bits, everything else crosses lanes at three times the cost.
constexpr int64_t quarterBytes = 16;

/// In log2(q) rounds of unpack.
SmallVector<Value> transposedQuarters(KernelBuilder &k, SmallVector<Value> v) {
  const int64_t q = v.size(), lanes = cast<VectorType>(v[0].getType()).getNumElements();
  auto unpack = [&](Value x, Value y, int64_t half) {
    SmallVector<int64_t> mask;
    for (int64_t part = 0; part < lanes; part += q)
      for (int64_t e = 0; e < q / 2; ++e)
        mask.append({part + half * q / 2 + e, lanes + part + half * q / 2 + e});
    return vector::ShuffleOp::create(k.b, k.loc, x, y, mask).getResult();
  };
  for (int64_t round = 1; round < q; round *= 2) {
    SmallVector<Value> next;
    for (int64_t i = 0; i < q / 2; ++i)
      next.append({unpack(v[i], v[i + q / 2], 0), unpack(v[i], v[i + q / 2], 1)});
    v = next;
  }
  return v;
}

/// A square of as many rows as a vector has lanes: load(row, first column, columns) reads a part of a row, store(column, vector) takes a column.
static void transposeSquare(KernelBuilder &k, Type element, llvm::function_ref<Value(int64_t, int64_t, int64_t)> load, llvm::function_ref<void(int64_t, Value)> store) {
  const int64_t lanes = k.lanes(element), quarter = quarterBytes * 8 / element.getIntOrFloatBitWidth();
  for (int64_t s = 0; s < lanes; s += quarter) {
    SmallVector<Value> vectors;
    for (int64_t r = 0; r < quarter; ++r) {
      Value gathered = k.zeroVector(element, lanes);
      for (int64_t l = 0; l < lanes; l += quarter)
        gathered = vector::InsertStridedSliceOp::create(k.b, k.loc, load(r + l, s, quarter), gathered, l, 1);
      vectors.push_back(gathered);
    }
    vectors = transposedQuarters(k, vectors);
    for (int64_t c = 0; c < quarter; ++c)
      store(s + c, vectors[c]);
  }
}

void transposeTile(KernelBuilder &k, Value source, Value from, int64_t sourceRow, Value target, Value to, int64_t targetRow, Type element, int64_t rows) {
  transposeSquare(k, element, [&](int64_t r, int64_t s, int64_t count) { return k.load(source, k.add(from, std::min(r, rows - 1) * sourceRow + s), count); },
                  [&](int64_t s, Value column) { k.store(column, target, k.add(to, s * targetRow), k.lanes(element)); });
}

void transposeRun(KernelBuilder &k, Value source, Value from, int64_t outputs, int64_t channels, Value target, Value to, Type element) {
  const int64_t lanes = k.lanes(element);
  k.loop(k.constant(0), k.constant(outputs), lanes, [&](Value output) {
    k.loop(k.constant(0), k.constant(channels), lanes, [&](Value ch) {
      transposeTile(k, source, k.add(k.add(from, k.mul(output, channels)), ch), channels, target, k.add(to, k.add(k.mul(ch, outputs), output)), outputs, element);
    });
  });
}

int64_t buildTransposition(KernelBuilder &k, const Transposition &t, Type element) {
  Type unit = t.pairs ? Type(k.b.getI32Type()) : element;
  const int64_t lanes = k.lanes(unit), unitElements = t.pairs ? 2 : 1, parts = t.split ? 2 : 1;
  Value source = k.buffer(0), target = k.buffer(1);
  int64_t wholeRows = t.rows / lanes * lanes, wholeColumns = t.columns / lanes * lanes;

  auto at = [&](Value base, Value r, int64_t rStride, Value s, int64_t sStride) {
    return k.add(base, k.add(k.mul(r, rStride), k.mul(s, sStride)));
  };
  auto partOf = [&](Value value, int64_t part) {
    if (!t.split)
      return value;
    auto [high, low] = k.split(value);
    return part ? low : high;
  };
  /// Where a part of the target begins behind `to`, in units.
  auto inPart = [&](Value to, int64_t part) { return k.add(to, part * t.targetElements() / parts / unitElements); };
  auto single = [&](Value from, Value to, Value r, Value s) {
    for (int64_t e = 0; e < unitElements; ++e) {
      Value value = k.loadScalar(source, k.add(at(from, r, t.sourceRow, s, unitElements), e));
      for (int64_t part = 0; part < parts; ++part)
        k.storeScalar(partOf(value, part), target, k.add(k.mul(at(inPart(to, part), s, t.targetRow, r, 1), unitElements), e));
    }
  };
  auto square = [&](Value from, Value to) {
    if (!t.pairs)
      return transposeTile(k, source, from, t.sourceRow, target, to, t.targetRow, element);
    for (int64_t part = 0; part < parts; ++part) {
      auto load = [&](int64_t r, int64_t s, int64_t count) -> Value {
        Value values = partOf(k.load(source, k.add(from, r * t.sourceRow + 2 * s), 2 * count), part);
        auto narrow = VectorType::get(2 * count, k.b.getBF16Type());
        if (values.getType() != narrow)
          values = arith::TruncFOp::create(k.b, k.loc, narrow, values);
        return vector::BitCastOp::create(k.b, k.loc, VectorType::get(count, unit), values);
      };
      transposeSquare(k, unit, load, [&](int64_t s, Value column) { k.storeWords(column, target, k.add(inPart(to, part), s * t.targetRow)); });
    }
  };
  auto matrix = [&](Value from, Value to) {
    k.loop(k.constant(0), k.constant(wholeRows), lanes, [&](Value r) {
      k.loop(k.constant(0), k.constant(wholeColumns), lanes,
             [&](Value s) { square(at(from, r, t.sourceRow, s, unitElements), at(to, s, t.targetRow, r, 1)); });
    });
    auto rest = [&](int64_t r0, int64_t r1, int64_t s0, int64_t s1) {
      if (r0 < r1 && s0 < s1)
        k.loop(k.constant(s0), k.constant(s1), 1,
               [&](Value s) { k.loop(k.constant(r0), k.constant(r1), 1, [&](Value r) { single(from, to, r, s); }); });
    };
    rest(wholeRows, t.rows, 0, t.columns);
    rest(0, wholeRows, wholeColumns, t.columns);
  };
  std::function<void(size_t, Value, Value)> nest = [&](size_t level, Value from, Value to) {
    if (level == t.loops.size())
      return matrix(from, to);
    auto inner = [&](Value i) {
      nest(level + 1, k.add(from, k.mul(i, t.loops[level].source)), k.add(to, k.mul(i, t.loops[level].target)));
    };
    if (level == 0)
      return inner(k.piece);
    k.loop(k.constant(0), k.constant(t.loops[level].extent), 1, inner);
  };
  nest(0, k.constant(0), k.constant(0));
  k.finish();
  return t.loops.empty() ? 1 : t.loops.front().extent;
}

Transposition filterTransposition(const WindowGeometry &g, int64_t gradBlock, int64_t row) {
  int64_t taps = g.KH * g.KW, inner = g.C / g.G, outer = g.O / g.G;
  Transposition t;
  // source [g][ob][tap][cb][gradBlock channels][block], target [g][cb][tap][ob][block][row].
  t.loops = {{g.G, outer * taps * inner, inner / gradBlock * row * taps * outer},
             {outer / g.block, g.block * taps * inner, g.block * row},
             {taps, inner * g.block, outer * row},
             {inner / gradBlock, gradBlock * g.block, taps * outer * row}};
  t.rows = gradBlock, t.columns = g.block, t.sourceRow = g.block, t.targetRow = row;
  // The pieces are the outermost loop: one that has enough of them, else the longest. The others keep their order, in which the source is read as it lies.
  auto outermost = std::find_if(t.loops.begin(), t.loops.end(), [](const Transposition::Loop &l) { return l.extent >= 8; });
  if (outermost == t.loops.end())
    outermost = std::max_element(t.loops.begin(), t.loops.end(), [](auto &a, auto &b) { return a.extent < b.extent; });
  std::rotate(t.loops.begin(), outermost, outermost + 1);
  return t;
}

} // namespace cnnc
