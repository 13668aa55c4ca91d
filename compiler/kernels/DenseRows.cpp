// Rows through a matrix, c[n,j] = sum_i a[n,i] b[i,j]: a dense layer's input gradient (a = dy, b = w), and for many rows its forward form (a = x, b = w
// transposed).
// In: extents, buffers a, b, c.  Out: a kernel; a piece is a strip of columns j and some of the rows.
//
// Rows of b are as far apart as a layer is wide, often a power of two that puts all of them into the same sets of the caches. So register tiles read them
// from a panel, some rows i of two vectors of columns side by side in the first-level cache. Each tile asks the caches for its share of the next panel.
#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/DenseStrips.h"
#include "compiler/kernels/Epilogue.h"

using namespace mlir;

namespace cnnc {
namespace {

constexpr int64_t manyRows = 48; ///< of a, against what it costs to transpose a panel, or to wait for one from memory

/// Vectors of columns in a strip. Rows of a matrix that the caches do not hold are read in longer runs, which they fetch ahead.
int64_t widestOf(const TargetInfo &target, bool isFar) {
  constexpr int64_t run = 1 << 10; // bytes
  return isFar ? run / target.vectorBytes : 8;
}

/// Rows of b in a panel. Each row of a matrix that comes from memory lies in a page of its own, and often in the sets of the others: where the products of few
/// rows of a have to hide all that, few pages at a time.
int64_t deepestOf(const DenseRows &d, bool isFar) { return isFar && !d.turned && d.N < manyRows ? 32 : 128; }

/// Rows of a register tile: with as many as there are registers for, LLVM reads the panel ahead and keeps the sums on the stack.
int64_t highest(const TargetInfo &target) { return target.registers >= 32 ? 12 : denseTileRows(target); }

/// The last of the parts of `depth` that I is cut into.
int64_t lastOf(int64_t I, int64_t depth) { return I - (I - 1) / depth * depth; }

/// Rows of b in a panel: parts of I as even as they can be of which the last is not less than a square.
int64_t depthOf(int64_t I, int64_t lanes, int64_t deepest) {
  int64_t depth = evenSplit(I, deepest).front();
  while (depth < I && lastOf(I, depth) < lanes)
    --depth;
  return depth;
}

class Rows {
public:
  Rows(KernelBuilder &k, const DenseRows &d, Type element, Value a, Value b, Value c, const Ending &ending)
      : k(k), d(d), element(element), a(a), b(b), results(k, c, ending), lanes(k.lanes(element)), bytes(k.target.vectorBytes / lanes), bIsFar(d.I * d.columns * bytes > k.target.l2Bytes),
        depth(depthOf(d.I, lanes, deepestOf(d, bIsFar))), strips(k, d.columns, lanes, widestOf(k.target, bIsFar) * lanes, d.turned ? 8 : 4), chunk(strips.chunkWidth()), stride((depth + lanes - 1) / lanes * lanes) {
    // Several parts of the rows where there are few strips, or more of them than scratch memory is to hold.
    const int64_t mostBytes = std::min<int64_t>(512 << 10, k.target.l2Bytes / 4), mostOfPart = mostBytes / ((stride + strips.chunks() * chunk) * bytes);
    const int64_t fewestPieces = d.turned ? 4 : 16, fewestOfPart = d.turned ? manyRows : denseTileRows(k.target);
    const int64_t wanted = std::max((d.N + mostOfPart - 1) / mostOfPart, std::clamp<int64_t>(fewestPieces / strips.count(), 1, std::max<int64_t>(1, d.N / fewestOfPart)));
    copies = d.I * bytes % TargetInfo::aliasBytes == 0;
    isFar = d.N * d.I * bytes >= k.target.l2Bytes / 4;
    perPart = (d.N + wanted - 1) / wanted, parts = (d.N + perPart - 1) / perPart;
  }

  int64_t run() {
    strip = k.div(k.piece, parts);
    Value part = k.mod(k.piece, parts);
    firstRow = k.mul(part, perPart), isLast = k.equal(part, k.constant(parts - 1));
    firstColumn = strips.firstColumn(strip);
    panel = k.scratch(element, depth * chunk), as = k.scratch(element, copies ? perPart * stride : 1);
    held = k.scratch(element, d.I > depth ? perPart * strips.chunks() * chunk : 1);
    const int64_t rest = lastOf(d.I, depth), whole = d.I - rest;
    block(k.constant(0), depth, true, whole == 0);
    k.loop(k.constant(depth), k.constant(whole), depth, [&](Value i) { block(i, depth, false, false); });
    if (whole > 0)
      block(k.constant(whole), rest, false, true);
    k.finish();
    return strips.count() * parts;
  }

private:
  KernelBuilder &k;
  const DenseRows &d;
  Type element;
  Value a, b;
  Results results;
  int64_t lanes, bytes;
  bool bIsFar; ///< b does not stay in the second-level cache
  int64_t depth;
  DenseStrips strips;
  int64_t chunk, stride, perPart = 1, parts = 1;
  bool copies; ///< rows of a, which lie in the same sets of the caches
  bool isFar;  ///< a does not stay in the second-level cache
  Value strip, firstRow, isLast, firstColumn;
  Value panel; ///< [depth][chunk]
  Value as;    ///< of the part's rows of a those columns that the panels of a block are multiplied with, [perPart][stride]
  Value held;  ///< sums between blocks, [chunks][perPart][chunk]: rows of c may lie in the same sets, too

  /// Asks for line number `line` of those of b from row i and `column` on that a panel is made of.
  void prefetch(Value i, Value column, Value line) {
    const int64_t across = d.turned ? chunk : chunk / lineLanes(); // lines that begin at the same row of b
    Value ofB = k.div(line, across), beside = k.mod(line, across);
    if (d.turned)
      k.prefetch(b, k.add(k.add(k.mul(k.add(column, beside), d.I), i), k.mul(ofB, lineLanes())));
    else
      k.prefetch(b, k.add(k.add(k.mul(k.add(i, ofB), d.columns), column), k.mul(beside, lineLanes())));
  }
  /// Numbers in a line of the caches.
  int64_t lineLanes() const { return elementsOfLine(k.target, lanes); }

  /// Adds the products of `count` rows of b from i on to the sums of the part; the first ones begin from zero, with the last ones c is made.
  void block(Value i, int64_t count, bool begins, bool ends) {
    Value copied = copies ? k.min(k.constant(perPart), k.sub(k.constant(d.N), firstRow)) : k.constant(0);
    k.loop(k.constant(0), copied, 1, [&](Value r) {
      for (int64_t at = 0; at < count; at += lanes)
        k.store(k.load(a, k.add(k.add(k.mul(k.add(firstRow, r), d.I), i), at), lanes, std::min(lanes, count - at)), as, k.add(k.mul(r, stride), at), lanes);
    });
    // Behind the strip's last panel of the block follows the first one of the next block, or of the next strip.
    Value behind = k.add(i, count), goesOn = k.less(behind, k.constant(d.I));
    Value furtherRow = k.select(goesOn, behind, k.constant(0)), furtherColumn = k.select(goesOn, firstColumn, strips.firstColumn(k.add(strip, 1)));
    strips.each(strip, [&](Value number, Value column, ArrayRef<int64_t> widths) {
      Value isInside = k.less(number, k.constant(strips.chunks() - 1));
      Step s{count, begins, ends, i, number, column, k.select(isInside, i, furtherRow), k.select(isInside, k.add(column, chunk), furtherColumn), furtherRow};
      if (d.turned)
        k.loop(k.constant(0), k.constant(count), lanes, [&](Value square) {
          Value at = k.min(square, k.constant(count - lanes)); // the last square may overlap the one before it
          for (auto [v, width] : llvm::enumerate(widths))
            transposeTile(k, b, k.add(k.mul(k.add(column, v * lanes), d.I), k.add(i, at)), d.I, panel, k.add(k.mul(at, chunk), v * lanes), chunk, element, width);
        });
      auto tiles = [&](int64_t ofPart) {
        denseTiles(k, ofPart, highest(k.target), !d.turned, [&](Value row, int64_t height, bool fills) { tile(row, height, ofPart, s, widths, fills); });
      };
      if (const int64_t last = d.N - (parts - 1) * perPart; last == perPart) {
        tiles(perPart);
      } else {
        k.when(isLast, [&] { tiles(last); });
        k.when(k.less(firstRow, k.constant((parts - 1) * perPart)), [&] { tiles(perPart); });
      }
    });
  }

  struct Step {
    int64_t count; ///< rows of b
    bool begins, ends;
    Value i, number, column;           ///< the first row of b, the chunk of the strip, its first column
    Value nextI, nextColumn, nextRows; ///< of the panel behind this one; where the rows of b of the block behind this one begin
  };

  /// The tile of `height` rows from `row` on of a part of `ofPart` and one chunk.
  void tile(Value row, int64_t height, int64_t ofPart, const Step &s, ArrayRef<int64_t> widths, bool fills) {
    const int64_t vectors = widths.size();
    auto cell = [&](int64_t r, int64_t v) { return k.add(k.add(k.mul(s.number, perPart * chunk), k.mul(k.add(row, r), chunk)), v * lanes); };
    SmallVector<Value> sums;
    for (int64_t r = 0; r < height; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        sums.push_back(s.begins ? k.zeroVector(element, lanes) : k.load(held, cell(r, v), lanes));
    auto multiply = [&](Value i, SmallVector<Value> sums) {
      SmallVector<Value> values;
      for (int64_t v = 0; v < vectors; ++v) {
        Value at = k.add(k.mul(i, chunk), v * lanes);
        values.push_back(fills ? k.load(b, k.add(k.add(k.mul(k.add(s.i, i), d.columns), s.column), v * lanes), lanes, widths[v]) : k.load(panel, at, lanes));
        if (fills)
          k.store(values.back(), panel, at, lanes);
      }
      for (int64_t r = 0; r < height; ++r) {
        Value of = k.add(row, r), at = copies ? k.add(k.mul(of, stride), i) : k.add(k.mul(k.add(firstRow, of), d.I), k.add(s.i, i));
        Value factor = k.splat(k.loadScalar(copies ? as : a, at), lanes);
        for (int64_t v = 0; v < vectors; ++v)
          sums[r * vectors + v] = k.fma(factor, values[v], sums[r * vectors + v]);
      }
      return sums;
    };
    // Of few rows of b a loop of two steps would be written out, whose numbers LLVM keeps on the stack.
    const int64_t unroll = s.count < 12 ? 2 : 4;
    const int64_t whole = s.count / unroll * unroll, steps = std::max<int64_t>(1, whole / unroll);
    // Of `all` things that the tiles of a part do, those of this tile, in the steps of its loop.
    auto ofTile = [&](int64_t all) { return (height * all + ofPart - 1) / ofPart; };
    auto ofStep = [&](int64_t all) { return (ofTile(all) + steps - 1) / steps; };
    auto shareOf = [&](Value i, int64_t all, llvm::function_ref<void(Value)> use) {
      Value first = k.add(k.div(k.mul(row, all), ofPart), k.div(k.mul(i, ofTile(all)), steps * unroll));
      for (int64_t t = 0; t < ofStep(all); ++t)
        use(k.add(first, t));
    };
    const int64_t linesOfRow = (depth + lineLanes() - 1) / lineLanes(), ofChunk = (linesOfRow + strips.chunks() - 1) / strips.chunks();
    sums = k.loop(k.constant(0), k.constant(whole), unroll, sums, [&](Value i, ValueRange carried) {
      shareOf(i, depth * chunk / lineLanes(), [&](Value line) { prefetch(s.nextI, s.nextColumn, line); });
      // The chunk's lines of each row of a that the next block reads. Loads are free to move among prefetches: with several of a step LLVM reads the steps'
      // factors far ahead, and keeps them on the stack.
      if (isFar && ofStep(ofPart * ofChunk) <= 1)
        shareOf(i, ofPart * ofChunk, [&](Value line) {
          Value r = k.add(firstRow, k.div(line, ofChunk)), at = k.mul(k.add(k.mul(s.number, ofChunk), k.mod(line, ofChunk)), lineLanes());
          k.prefetch(a, k.add(k.add(k.mul(r, d.I), s.nextRows), at));
        });
      SmallVector<Value> all(carried);
      for (int64_t u = 0; u < unroll; ++u)
        all = multiply(k.add(i, u), all);
      return all;
    });
    for (int64_t i = whole; i < s.count; ++i)
      sums = multiply(k.constant(i), sums);
    SmallVector<ChannelScope> of;
    for (int64_t v = 0; v < vectors && s.ends; ++v)
      of.push_back(results.of(k.add(s.column, v * lanes), widths[v]));
    for (int64_t r = 0; r < height; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        if (s.ends)
          results.store(of[v], sums[r * vectors + v], k.add(k.add(k.mul(k.add(k.add(firstRow, row), r), d.columns), s.column), v * lanes));
        else
          k.store(sums[r * vectors + v], held, cell(r, v), lanes);
  }
};

} // namespace

bool DenseRows::pays(int64_t lanes) const {
  constexpr double used = 0.8; // of the vectors
  return !turned || (N >= manyRows && I >= 2 * lanes && double(columns) >= used * double((columns + lanes - 1) / lanes * lanes));
}

int64_t buildDenseRows(KernelBuilder &k, const DenseRows &d, Type element, Value a, Value b, Value c, const Ending &ending) {
  return Rows(k, d, element, a, b, c, ending).run();
}

} // namespace cnnc
