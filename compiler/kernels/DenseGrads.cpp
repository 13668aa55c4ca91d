// Gradients of dense layers. The matrices' rows are as far apart as a layer is wide, often a power of two that puts all of them into the same sets of the
// caches: a piece copies the panel that it reads again and again into scratch memory, side by side.
// In: extents, buffers.  Out: kernels; a piece is a strip of inputs i.
#include "compiler/kernels/Contractions.h"
#include "compiler/target/Tiles.h"

using namespace mlir;

namespace cnnc {
namespace {

constexpr int64_t fewestPieces = 16;
constexpr int64_t mostImages = 128; ///< of the panel of a filter's gradient

/// A matrix's columns in strips of chunks of two vectors; the last chunk may be narrower.
class Strips {
public:
  /// At least `fewest` strips where the matrix is wide enough.
  Strips(KernelBuilder &k, int64_t columns, int64_t lanes, int64_t widest, int64_t fewest)
      : k(k), columns(columns), lanes(lanes), chunk(2 * lanes), width(std::clamp((columns / fewest + chunk - 1) / chunk * chunk, chunk, widest)) {}

  int64_t count() const { return (columns + width - 1) / width; }
  /// Vectors at most in a strip, for scratch memory.
  int64_t chunks() const { return width / chunk; }
  int64_t chunkWidth() const { return chunk; }
  Value firstColumn(Value strip) { return k.mul(strip, width); }

  /// body(number of the chunk in the strip, its first column, lanes of each of its vectors)
  void each(Value strip, llvm::function_ref<void(Value, Value, ArrayRef<int64_t>)> body) {
    const int64_t whole = columns / chunk * chunk;
    Value first = k.mul(strip, width), end = k.add(first, width);
    const int64_t full[] = {lanes, lanes};
    k.loop(first, k.min(end, k.constant(whole)), chunk, [&](Value column) { body(k.div(k.sub(column, first), chunk), column, full); });
    if (whole == columns)
      return;
    SmallVector<int64_t> widths;
    for (int64_t left = columns - whole; left > 0; left -= lanes)
      widths.push_back(std::min(left, lanes));
    k.when(k.less(k.constant(whole), end), [&] { body(k.div(k.sub(k.constant(whole), first), chunk), k.constant(whole), widths); });
  }

private:
  KernelBuilder &k;
  int64_t columns, lanes, chunk, width;
};

/// Loops over 0 <= i < extent in tiles of at most `limit`, each of a size known when it is emitted: body(first + i, size, whether it is the first).
void tilesOf(KernelBuilder &k, Value first, int64_t extent, int64_t limit, llvm::function_ref<void(Value, int64_t, bool)> body) {
  const auto widths = evenSplit(extent, limit);
  int64_t at = 0;
  for (size_t i = 0; i < widths.size();) {
    size_t same = i;
    while (same < widths.size() && widths[same] == widths[i])
      ++same;
    const int64_t width = widths[i], end = at + width * int64_t(same - i);
    if (at == 0)
      body(first, width, true);
    k.loop(k.constant(at == 0 ? width : at), k.constant(end), width, [&](Value n) { body(k.add(first, n), width, false); });
    at = end, i = same;
  }
}

/// Rows of a register tile of two vectors a row.
int64_t tileRows(const TargetInfo &target, int64_t enough) { return std::clamp<int64_t>((target.registers - 4) / 2, 1, enough); }

} // namespace

bool denseFilterGradIsAtOnce(int64_t N) { return N <= mostImages; }

int64_t buildDenseFilterGrad(KernelBuilder &k, int64_t N, int64_t I, int64_t O, Type element, StoreLanes store) {
  const int64_t lanes = k.lanes(element), bytes = k.target.vectorBytes / lanes;
  // An update reads and writes what is far larger than the caches: a tile's gradients wait in scratch memory until whole rows of the strip are updated,
  // one behind the other, as memory is read best. Meanwhile it is asked for what they will read.
  const bool staged = store.reads();
  // Each row of the panel serves a whole register tile, so the second-level cache is near enough.
  const int64_t images = std::min(N, mostImages), room = k.target.l2Bytes / 8 / (images * bytes);
  Strips strips(k, I, lanes, std::clamp(room / (2 * lanes) * 2 * lanes, 2 * lanes, (staged ? 32 : 8) * lanes), fewestPieces / 4);
  const int64_t chunk = strips.chunkWidth(), rows = evenSplit(O, tileRows(k.target, 14)).front();
  // Several parts of the outputs where there are few strips.
  const int64_t parts = std::clamp<int64_t>(fewestPieces / strips.count(), 1, (O + rows - 1) / rows);
  const int64_t outputs = ((O + parts - 1) / parts + rows - 1) / rows * rows, wholeO = O / rows * rows;
  Value x = k.buffer(0), dy = k.buffer(1), dw = k.buffer(2);
  // Neighbouring pieces have the same outputs, as those of the forward form: a thread's share of a matrix lies together, on the core that has read it.
  Value strip = k.mod(k.piece, strips.count()), firstO = k.mul(k.div(k.piece, strips.count()), outputs);
  // One tile of outputs reads x once, where it stands; a few tiles do where all of x is near.
  constexpr int64_t fewTiles = 3;
  const bool panel = O > (N * I * bytes <= k.target.l2Bytes / 4 ? fewTiles : 1) * rows;
  Value xs = k.scratch(element, panel ? strips.chunks() * images * chunk : 1), ds = k.scratch(element, images * rows);
  Value firstColumn = strips.firstColumn(strip), made = k.scratch(element, staged ? rows * strips.chunks() * chunk : 1);

  k.loop(k.constant(0), k.constant(N), images, [&](Value n) {
    Value count = k.min(k.constant(images), k.sub(k.constant(N), n)), isFirst = k.equal(n, k.constant(0));
    k.loop(k.constant(0), panel ? count : k.constant(0), 1, [&](Value r) {
      strips.each(strip, [&](Value number, Value column, ArrayRef<int64_t> widths) {
        Value from = k.add(k.mul(k.add(n, r), I), column), to = k.add(k.mul(number, images * chunk), k.mul(r, chunk));
        for (auto [v, width] : llvm::enumerate(widths))
          k.store(k.load(x, k.add(from, v * lanes), lanes, width), xs, k.add(to, v * lanes), lanes);
      });
    });
    auto tile = [&](Value o, int64_t height) {
      k.loop(k.constant(0), count, 1, [&](Value r) {
        k.store(k.load(dy, k.add(k.mul(k.add(n, r), O), o), height, height), ds, k.mul(r, rows), height);
      });
      strips.each(strip, [&](Value number, Value column, ArrayRef<int64_t> widths) {
        const size_t vectors = widths.size();
        auto address = [&](int64_t i, size_t v) { return k.add(k.add(k.mul(k.add(o, i), I), column), int64_t(v) * lanes); };
        SmallVector<Type> types(height * vectors, VectorType::get(lanes, element));
        SmallVector<Value> start(types.size(), k.zeroVector(element, lanes));
        if (N > images) {
          auto branch = scf::IfOp::create(k.b, k.loc, types, isFirst, /*withElseRegion=*/true);
          OpBuilder::InsertionGuard guard(k.b);
          k.b.setInsertionPointToStart(&branch.getThenRegion().front());
          scf::YieldOp::create(k.b, k.loc, SmallVector<Value>(types.size(), k.zeroVector(element, lanes)));
          k.b.setInsertionPointToStart(&branch.getElseRegion().front());
          SmallVector<Value> sums;
          for (int64_t i = 0; i < height; ++i)
            for (size_t v = 0; v < vectors; ++v)
              sums.push_back(k.load(dw, address(i, v), lanes, widths[v]));
          scf::YieldOp::create(k.b, k.loc, sums);
          start.assign(branch.getResults().begin(), branch.getResults().end());
        }
        // Row by row of the strip, two vectors of them every few images.
        constexpr int64_t unroll = 4;
        const int64_t apart = std::clamp<int64_t>(images / height, 1, unroll), together = (height * apart + images - 1) / images;
        auto announce = [&](Value r) {
          for (int64_t i = 0; staged && i < together; ++i) {
            Value at = k.add(k.mul(number, height), k.min(k.add(k.mul(k.div(r, apart), together), i), k.constant(height - 1)));
            Value row = k.add(o, k.div(at, strips.chunks())), column = k.add(firstColumn, k.mul(k.mod(at, strips.chunks()), chunk));
            for (size_t v = 0; v < vectors; ++v)
              store.soon(k.add(k.add(k.mul(row, I), column), int64_t(v) * lanes));
          }
        };
        auto image = [&](Value r, SmallVector<Value> sums) {
          SmallVector<Value> values;
          for (size_t v = 0; v < vectors; ++v)
            values.push_back(panel ? k.load(xs, k.add(k.add(k.mul(number, images * chunk), k.mul(r, chunk)), int64_t(v) * lanes), lanes)
                                   : k.load(x, k.add(k.add(k.mul(k.add(n, r), I), column), int64_t(v) * lanes), lanes, widths[v]));
          for (int64_t i = 0; i < height; ++i) {
            Value grad = k.splat(k.loadScalar(ds, k.add(k.mul(r, rows), i)), lanes);
            for (size_t v = 0; v < vectors; ++v)
              sums[i * vectors + v] = k.fma(grad, values[v], sums[i * vectors + v]);
          }
          return sums;
        };
        Value whole = k.mul(k.div(count, unroll), unroll);
        SmallVector<Value> sums = k.loop(k.constant(0), whole, unroll, start, [&](Value r, ValueRange carried) {
          SmallVector<Value> s(carried);
          for (int64_t u = 0; u < unroll; ++u) {
            if (u % apart == 0)
              announce(k.add(r, u));
            s = image(k.add(r, u), s);
          }
          return s;
        });
        sums = k.loop(whole, count, 1, sums, [&](Value r, ValueRange carried) { return image(r, SmallVector<Value>(carried)); });
        for (int64_t i = 0; i < height; ++i)
          for (size_t v = 0; v < vectors; ++v)
            if (staged)
              k.store(sums[i * vectors + v], made, k.add(k.mul(number, chunk), i * strips.chunks() * chunk + int64_t(v) * lanes), lanes);
            else
              store(sums[i * vectors + v], address(i, v), widths[v]);
      });
      k.loop(k.constant(0), k.constant(staged ? height : 0), 1, [&](Value i) {
        strips.each(strip, [&](Value number, Value column, ArrayRef<int64_t> widths) {
          Value from = k.mul(k.add(k.mul(i, strips.chunks()), number), chunk), to = k.add(k.mul(k.add(o, i), I), column);
          for (auto [v, width] : llvm::enumerate(widths))
            store(k.load(made, k.add(from, v * lanes), lanes), k.add(to, v * lanes), width);
        });
      });
    };
    Value lastO = k.min(k.add(firstO, outputs), k.constant(O));
    k.loop(firstO, k.min(lastO, k.constant(wholeO)), rows, [&](Value o) { tile(o, rows); });
    if (wholeO < O)
      k.when(k.equal(lastO, k.constant(O)), [&] { tile(k.constant(wholeO), O - wholeO); });
  });
  k.finish();
  return strips.count() * parts;
}

int64_t buildDenseInputGrad(KernelBuilder &k, int64_t N, int64_t I, int64_t O, Type element) {
  const int64_t lanes = k.lanes(element);
  constexpr int64_t mostOutputs = 128;
  const int64_t outputs = std::min(O, mostOutputs);
  Strips strips(k, I, lanes, 8 * lanes, fewestPieces / 4);
  const int64_t chunk = strips.chunkWidth(), rows = tileRows(k.target, 14);
  // Several parts of the images where there are few strips, or more rows of dy than scratch memory is to hold; the sizes of their tiles are known.
  constexpr int64_t mostBytes = 256 << 10;
  const int64_t stride = (outputs + lanes - 1) / lanes * lanes, mostRows = mostBytes / (stride * k.target.vectorBytes / lanes);
  const int64_t parts = std::max((N + mostRows - 1) / mostRows, std::clamp<int64_t>(fewestPieces / strips.count(), 1, N / rows ? N / rows : 1));
  const int64_t perPart = (N + parts - 1) / parts, usedParts = (N + perPart - 1) / perPart, last = N - (usedParts - 1) * perPart;
  Value dy = k.buffer(1), w = k.buffer(0), dx = k.buffer(2);
  Value strip = k.div(k.piece, usedParts), part = k.mod(k.piece, usedParts);
  // The weights of a chunk, in the first-level cache, and the part's rows of dy, side by side.
  Value panel = k.scratch(element, outputs * chunk), ds = k.scratch(element, perPart * stride);
  Value firstRow = k.mul(part, perPart), isLast = k.equal(part, k.constant(usedParts - 1));

  /// Adds the products of `count` outputs from `o` on to the rows of the part; the first ones begin from zero.
  auto block = [&](Value o, int64_t count, bool first) {
    k.loop(k.constant(0), k.min(k.constant(perPart), k.sub(k.constant(N), firstRow)), 1, [&](Value r) {
      for (int64_t at = 0; at < count; at += lanes)
        k.store(k.load(dy, k.add(k.add(k.mul(k.add(firstRow, r), O), o), at), lanes, std::min(lanes, count - at)), ds, k.add(k.mul(r, stride), at), lanes);
    });
    // Where the panel behind the strip's last one begins: of the outputs behind these, or of the next strip.
    Value behind = k.add(o, count), firstColumn = strips.firstColumn(strip);
    Value further = arith::SelectOp::create(k.b, k.loc, k.less(behind, k.constant(O)), k.add(k.mul(behind, I), firstColumn), strips.firstColumn(k.add(strip, 1)));
    strips.each(strip, [&](Value number, Value column, ArrayRef<int64_t> widths) {
      const size_t vectors = widths.size();
      Value next = arith::SelectOp::create(k.b, k.loc, k.less(number, k.constant(strips.chunks() - 1)), k.add(k.add(k.mul(o, I), column), chunk), further);
      // The first tile copies the panel while it multiplies by it.
      auto tile = [&](Value n, int64_t height, bool fillsPanel) {
        auto address = [&](int64_t i, size_t v) { return k.add(k.add(k.mul(k.add(n, i), I), column), int64_t(v) * lanes); };
        Value row = k.sub(n, firstRow);
        SmallVector<Value> sums;
        for (int64_t i = 0; i < height; ++i)
          for (size_t v = 0; v < vectors; ++v)
            sums.push_back(first ? k.zeroVector(element, lanes) : k.load(dx, address(i, v), lanes, widths[v]));
        auto output = [&](Value r, SmallVector<Value> s) {
          SmallVector<Value> values;
          for (size_t v = 0; v < vectors; ++v) {
            Value at = k.add(k.mul(r, chunk), int64_t(v) * lanes);
            values.push_back(fillsPanel ? k.load(w, k.add(k.add(k.mul(k.add(o, r), I), column), int64_t(v) * lanes), lanes, widths[v]) : k.load(panel, at, lanes));
            if (fillsPanel)
              k.store(values.back(), panel, at, lanes);
          }
          for (int64_t i = 0; i < height; ++i) {
            Value grad = k.splat(k.loadScalar(ds, k.add(k.mul(k.add(row, i), stride), r)), lanes);
            for (size_t v = 0; v < vectors; ++v)
              s[i * vectors + v] = k.fma(grad, values[v], s[i * vectors + v]);
          }
          return s;
        };
        // A share of the next panel's rows is asked for by each tile.
        constexpr int64_t unroll = 2;
        const int64_t whole = count / unroll * unroll, share = (height * count + perPart - 1) / perPart, steps = std::max<int64_t>(1, whole / unroll);
        auto announce = [&](Value r) {
          Value from = k.add(k.div(k.mul(row, count), perPart), k.div(k.mul(r, share), steps * unroll));
          for (int64_t i = 0; i < (share + steps - 1) / steps; ++i)
            for (size_t v = 0; v < vectors; ++v)
              k.prefetch(w, k.add(k.add(next, k.mul(k.add(from, i), I)), int64_t(v) * lanes));
        };
        sums = k.loop(k.constant(0), k.constant(whole), unroll, sums, [&](Value r, ValueRange carried) {
          SmallVector<Value> s(carried);
          announce(r);
          for (int64_t u = 0; u < unroll; ++u)
            s = output(k.add(r, u), s);
          return s;
        });
        if (whole < count)
          sums = output(k.constant(whole), sums);
        for (int64_t i = 0; i < height; ++i)
          for (size_t v = 0; v < vectors; ++v)
            k.store(sums[i * vectors + v], dx, address(i, v), widths[v]);
      };
      if (last == perPart)
        return tilesOf(k, firstRow, perPart, rows, tile);
      k.when(isLast, [&] { tilesOf(k, firstRow, last, rows, tile); });
      k.when(k.less(part, k.constant(usedParts - 1)), [&] { tilesOf(k, firstRow, perPart, rows, tile); });
    });
  };
  block(k.constant(0), outputs, true);
  const int64_t whole = O / outputs * outputs;
  k.loop(k.constant(outputs), k.constant(whole), outputs, [&](Value o) { block(o, outputs, false); });
  if (whole < O)
    block(k.constant(whole), O - whole, false);
  k.finish();
  return strips.count() * usedParts;
}

} // namespace cnnc
