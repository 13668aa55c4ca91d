// The filter's gradient of dense layers, dw[o,i] = sum_n dy[n,o] x[n,i]. The matrices' rows are as far apart as a layer is wide, often a power of two that
// puts all of them into the same sets of the caches: a piece copies the panel of x that it reads again and again into scratch memory, side by side.
// In: extents, buffers x, dy, dw.  Out: a kernel; a piece is a strip of inputs i and some outputs o.
#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/DenseStrips.h"

using namespace mlir;

namespace cnnc {

constexpr int64_t mostImages = 256; ///< of the panel

/// Vectors of a strip whose rows are updated one behind the other: of weights that fill more pages than the processor has at hand, each row a whole page.
static int64_t widestStaged(const TargetInfo &target, int64_t bytesOfWeights) {
  constexpr int64_t page = 4 << 10, pagesAtHand = 2048, narrow = 32;
  return bytesOfWeights > page * pagesAtHand ? page / target.vectorBytes : narrow;
}

bool denseFilterGradIsAtOnce(int64_t N) { return N <= mostImages; }

int64_t buildDenseFilterGrad(KernelBuilder &k, int64_t N, int64_t I, int64_t O, Type element, StoreLanes store) {
  constexpr int64_t fewestPieces = 16;
  const int64_t lanes = k.lanes(element), bytes = k.target.vectorBytes / lanes;
  // An update reads and writes what is far larger than the caches: a tile's gradients wait in scratch memory until whole rows of the strip are updated,
  // one behind the other, as memory is read best. Meanwhile it is asked for what they will read. A last cache that is near holds few weights near enough.
  constexpr int64_t fewBytes = 2 << 20;
  const bool staged = store.reads() && !(k.target.nearLastCache && I * O * bytes <= fewBytes);
  // Each row of the panel serves a whole register tile, so the second-level cache is near enough.
  const int64_t images = std::min(N, mostImages), room = k.target.l2Bytes / 8 / (images * bytes);
  DenseStrips strips(k, I, lanes, std::clamp(room / (2 * lanes) * 2 * lanes, 2 * lanes, (staged ? widestStaged(k.target, I * O * bytes) : 8) * lanes), fewestPieces / 4);
  const int64_t chunk = strips.chunkWidth(), rows = evenSplit(O, denseTileRows(k.target)).front();
  // Several parts of the outputs where there are few strips.
  const int64_t parts = std::clamp<int64_t>(fewestPieces / strips.count(), 1, (O + rows - 1) / rows);
  const int64_t outputs = ((O + parts - 1) / parts + rows - 1) / rows * rows, wholeO = O / rows * rows;
  Value x = k.buffer(0), dy = k.buffer(1), dw = k.buffer(2);
  // Neighbouring pieces have the same outputs, as those of the forward form: a thread's share of a matrix lies together, on the core that has read it.
  Value strip = k.mod(k.piece, strips.count()), firstO = k.mul(k.div(k.piece, strips.count()), outputs);
  // One tile of outputs reads x once, where it stands; a few tiles do where all of x is near, sooner than a copy is made.
  constexpr int64_t fewTiles = 12;
  const bool panel = std::min(O, outputs) > (N * I * bytes <= k.target.l2Bytes / 4 ? fewTiles : 1) * rows;
  Value xs = k.scratch(element, panel ? strips.chunks() * images * chunk : 1), ds = k.scratch(element, images * rows);
  // Whether dy is fetched for the next tile of outputs while this one is multiplied: a column of it, of which each number lies in another line.
  const bool isFar = N * O * bytes >= k.target.l2Bytes / 8;
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
        const SmallVector<Value> zeros(height * vectors, k.zeroVector(element, lanes));
        auto sumsSoFar = [&] {
          SmallVector<Value> sums;
          for (int64_t i = 0; i < height; ++i)
            for (size_t v = 0; v < vectors; ++v)
              sums.push_back(k.load(dw, address(i, v), lanes, widths[v]));
          return sums;
        };
        SmallVector<Value> start = N > images ? k.choose(isFirst, ValueRange(zeros).getTypes(), [&] { return zeros; }, sumsSoFar) : zeros;
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
          if (isFar)
            k.prefetch(dy, k.add(k.add(k.mul(k.add(n, r), O), o), height));
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

} // namespace cnnc
