// Dense layers with vectors along the sum: y[n,o] = sum_i x[n,i] w[o,i]. Rows of x and of w both lie contiguous along i, so nothing is transposed.
// In: extents, buffers x, w, y.  Out: tiles of rows n x outputs o, one accumulator each, whose lanes are summed at the end.
#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/DenseStrips.h"
#include "compiler/kernels/Epilogue.h"
#include "compiler/kernels/Products.h"

using namespace mlir;

namespace cnnc {

Value sumsOfLanes(KernelBuilder &k, SmallVector<Value> vectors) {
  const int64_t lanes = vectors.size();
  for (int64_t segment = lanes; segment > 1; segment /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t at = 0; at < 2 * lanes; at += segment)
      for (int64_t j = 0; j < segment / 2; ++j)
        low.push_back(at + j), high.push_back(at + segment / 2 + j);
    SmallVector<Value> halved;
    for (size_t v = 0; v < vectors.size(); v += 2) {
      Value x = vector::ShuffleOp::create(k.b, k.loc, vectors[v], vectors[v + 1], low);
      Value y = vector::ShuffleOp::create(k.b, k.loc, vectors[v], vectors[v + 1], high);
      halved.push_back(arith::AddFOp::create(k.b, k.loc, x, y));
    }
    vectors = halved;
  }
  return vectors.front();
}

namespace {

/// Tiles of a dense layer; one object a kernel. Extents along i count pairs where `pairs`.
class DenseDots {
public:
  DenseDots(KernelBuilder &k, int64_t N, int64_t I, int64_t O, Type element, bool pairs, const Ending &ending)
      : k(k), products(k, pairs, k.lanes(element)), y(k, k.buffer(2), ending), N(N), I(I), O(O), element(element), lanes(k.lanes(element)), pairs(pairs) {
    const bool many = k.target.registers >= 32;
    rows = std::min<int64_t>(N, many ? 4 : 3), outputs = std::min<int64_t>(O, many ? 6 : 4);
    const int64_t bytes = k.target.vectorBytes / lanes;
    const int64_t ofPanel = I * outputs * bytes <= wholePanelBytes ? wholePanelBytes : panelBytes;
    const int64_t deepest = std::max(lanes, ofPanel / (outputs * bytes) / lanes * lanes), blocks = (I + deepest - 1) / deepest;
    depth = ((I + blocks - 1) / blocks + lanes - 1) / lanes * lanes; // as even as vectors allow
    const int64_t held = (std::min(I, depth) + lanes - 1) / lanes * lanes; // of a panel's row
    stride = held;
    if (pairs)
      panel = k.scratch(BFloat16Type::get(k.b.getContext()), 2 * outputs * stride);
    else if (I * bytes % TargetInfo::aliasBytes == 0 || I % lanes != 0)
      panel = k.scratch(element, outputs * stride);
    cells = (std::min(N, mostRows) * outputs + lanes - 1) / lanes * lanes;
    sums = k.scratch(element, cells * lanes);
    results = k.scratch(element, cells);
  }

  int64_t run() {
    constexpr int64_t fewestPieces = 16;
    const int64_t strips = (O + outputs - 1) / outputs, perPiece = std::max<int64_t>(1, strips / fewestPieces), whole = O / outputs * outputs;
    Value first = k.mul(k.piece, perPiece * outputs), last = k.min(k.add(first, perPiece * outputs), k.constant(O));
    k.loop(first, k.min(last, k.constant(whole)), outputs, [&](Value o) { strip(o, outputs); });
    if (whole < O)
      k.when(k.equal(last, k.constant(O)), [&] { strip(k.constant(whole), O - whole); });
    k.finish();
    return (strips + perPiece - 1) / perPiece;
  }

private:
  static constexpr int64_t panelBytes = 12 << 10;      ///< of weights, beside the rows of x in the first-level cache
  static constexpr int64_t wholePanelBytes = 20 << 10; ///< of a strip's weights that are not cut into blocks
  static constexpr int64_t mostRows = 128;             ///< whose sums are held between blocks of i
  KernelBuilder &k;
  Products products;
  Results y;
  int64_t N, I, O;
  Type element;
  int64_t lanes;
  bool pairs;
  int64_t rows, outputs, depth, stride, cells;
  Value panel;   ///< the weights of a strip, [outputs][stride], on lines of the cache; null where they are read in place
  Value sums;    ///< accumulators between blocks of i, [rows under way][outputs of the strip] vectors
  Value results; ///< their sums, [rows under way][outputs of the strip]

  void strip(Value o, int64_t count) {
    const int64_t whole = N / mostRows * mostRows;
    k.loop(k.constant(0), k.constant(whole), mostRows, [&](Value n) { band(n, mostRows, o, count); });
    if (whole < N)
      band(k.constant(whole), N - whole, o, count);
  }

  /// The outputs o..o+count-1 of `height` rows from n on.
  void band(Value n, int64_t height, Value o, int64_t count) {
    const int64_t whole = I / depth * depth;
    block(n, height, o, count, k.constant(0), std::min(I, depth), true);
    k.loop(k.constant(depth), k.constant(whole), depth, [&](Value i) { block(n, height, o, count, i, depth, false); });
    if (whole < I && whole > 0)
      block(n, height, o, count, k.constant(whole), I - whole, false);
    k.loop(k.constant(0), k.constant((height * count + lanes - 1) / lanes * lanes), lanes, [&](Value at) {
      SmallVector<Value> vectors;
      for (int64_t v = 0; v < lanes; ++v)
        vectors.push_back(k.load(sums, k.mul(k.add(at, v), lanes), lanes));
      k.store(sumsOfLanes(k, vectors), results, at, lanes);
    });
    for (int64_t at = 0; at < count; at += lanes) {
      const ChannelScope of = y.of(k.add(o, at), std::min(lanes, count - at));
      k.loop(k.constant(0), k.constant(height), 1, [&](Value r) {
        y.store(of, k.load(results, k.add(k.mul(r, count), at), lanes, of.width), k.add(k.add(k.mul(k.add(n, r), O), o), at));
      });
    }
  }

  /// Adds the products of `length` inputs from i on to the sums of outputs o..o+count-1; the first ones begin from zero.
  void block(Value n, int64_t band, Value o, int64_t count, Value i, int64_t length, bool first) {
    // The panel of the next block: of these outputs, or of the next ones.
    Value behind = k.add(i, length), ends = k.equal(behind, k.constant(I));
    Value next = k.select(ends, k.mul(k.add(o, count), I), k.add(k.mul(o, I), behind));
    denseTiles(k, band, rows, bool(panel), [&](Value r, int64_t height, bool fills) { tile(n, r, height, band, o, count, i, length, first, fills, next); });
  }

  /// `width` weights into the panel. They themselves may be f32 beside maps of bf16.
  void copy(Value from, Value to, int64_t width) {
    const int64_t unit = pairs ? 2 : 1;
    k.store(k.load(k.buffer(1), k.mul(from, unit), unit * lanes, unit * width), panel, k.mul(to, unit), unit * lanes);
  }

  /// Asks for the columns from `at` on of a tile's share of the next panel.
  void prefetch(Value next, Value from, int64_t band, int64_t count, Value at) {
    const int64_t share = (rows * count + band - 1) / band, unit = pairs ? 2 : 1;
    for (int64_t t = 0; t < share; ++t) {
      Value output = k.min(k.add(k.div(k.mul(from, count), band), t), k.constant(count - 1));
      k.prefetch(k.buffer(1), k.mul(k.add(k.add(next, k.mul(output, I)), at), unit));
    }
  }

  /// Rows from..from+height-1 of a band of so many rows that begins at n. The first tile of a block fills the panel from which the others read.
  void tile(Value n, Value from, int64_t height, int64_t band, Value o, int64_t count, Value i, int64_t length, bool first, bool fillsPanel, Value next) {
    auto cell = [&](int64_t r, int64_t t) { return k.mul(k.add(k.mul(k.add(from, r), count), t), lanes); };
    SmallVector<Value> acc;
    for (int64_t r = 0; r < height; ++r)
      for (int64_t t = 0; t < count; ++t)
        acc.push_back(first ? k.zeroVector(element, lanes) : k.load(sums, cell(r, t), lanes));
    auto step = [&](Value at, int64_t width, SmallVector<Value> a) {
      SmallVector<Value> xs;
      for (int64_t r = 0; r < height; ++r)
        xs.push_back(products.load(k.buffer(0), k.add(k.add(k.mul(k.add(k.add(n, from), r), I), i), at), width));
      for (int64_t t = 0; t < count; ++t) {
        Value weights = k.add(k.add(k.mul(k.add(o, t), I), i), at);
        if (fillsPanel)
          copy(weights, k.add(at, t * stride), width);
        Value w = panel ? products.load(panel, k.add(at, t * stride), lanes) : products.load(k.buffer(1), weights, width);
        for (int64_t r = 0; r < height; ++r)
          a[r * count + t] = products.add(xs[r], w, a[r * count + t]);
      }
      return a;
    };
    constexpr int64_t unroll = 2;
    const int64_t whole = length / lanes * lanes, together = whole / (unroll * lanes) * (unroll * lanes);
    acc = k.loop(k.constant(0), k.constant(together), unroll * lanes, acc, [&](Value at, ValueRange carried) {
      SmallVector<Value> a(carried);
      for (int64_t u = 0; u < unroll; ++u) {
        prefetch(next, from, band, count, k.add(at, u * lanes));
        a = step(k.add(at, u * lanes), lanes, a);
      }
      return a;
    });
    if (together < whole)
      acc = step(k.constant(together), lanes, acc);
    if (whole < length)
      acc = step(k.constant(whole), length - whole, acc);
    for (int64_t r = 0; r < height; ++r)
      for (int64_t t = 0; t < count; ++t)
        k.store(acc[r * count + t], sums, cell(r, t), lanes);
  }
};

} // namespace

int64_t buildDenseDots(KernelBuilder &k, int64_t N, int64_t I, int64_t O, Type element, bool pairs, const Ending &ending) {
  return DenseDots(k, N, I, O, element, pairs, ending).run();
}

int64_t buildDenseDot(KernelBuilder &k, int64_t N, int64_t I, int64_t O, Type element, const Ending &ending) {
  int64_t lanes = k.lanes(element);
  constexpr int64_t tile = 8; // as many accumulators as hide the latency of an addition
  constexpr int64_t outputsPerPiece = 32;
  Value x = k.buffer(0), w = k.buffer(1);
  Results y(k, k.buffer(2), ending);
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
    for (int64_t at = 0; at < count; at += lanes) {
      const ChannelScope of = y.of(k.add(o, at), std::min(lanes, count - at));
      SmallVector<Value> sums;
      for (int64_t t = 0; t < of.width; ++t)
        sums.push_back(vector::ReductionOp::create(k.b, k.loc, vector::CombiningKind::ADD, acc[at + t], arith::FastMathFlags::reassoc));
      sums.resize(lanes, sums.back());
      y.store(of, vector::FromElementsOp::create(k.b, k.loc, VectorType::get(lanes, element), sums), k.add(k.add(k.mul(n, O), o), at));
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
