// Convolution as a gather: each register tile holds pixels x channels of the output, and walks the taps and input channels.
// In: GatherConv, buffers x, w, y.  Out: loops whose inner body is a rank-1 update of the tile with vector.fma; or, where a pixel has few results, products
// of vectors along the input channels, an accumulator for each result, whose lanes are summed at the end.
//
// Padding is never stored: rows outside the map shorten the loop over tap rows, and for the columns each tile is written out with just the
// pixels that a tap can reach. So no multiplication by zero is done, and no map is copied.
#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/Epilogue.h"
#include "compiler/kernels/PointwiseAhead.h"
#include "compiler/kernels/Products.h"
#include "compiler/target/Tiles.h"

#include <numeric>
#include <optional>

using namespace mlir;

namespace cnnc {
namespace {

/// The phases of an axis of an input gradient: output i (of `side`) reads row (i + P - k*D)/S of dy where S divides it.
std::vector<Phase> gradPhases(int64_t side, int64_t K, int64_t S, int64_t D, int64_t P) {
  std::vector<Phase> phases;
  for (int64_t r = 0; r < std::min(S, side); ++r) {
    Phase p{r, S, (side - r + S - 1) / S, {}};
    for (int64_t k = K - 1; k >= 0; --k) { // descending k: ascending offset
      int64_t v = r + P - k * D;
      if (((v % S) + S) % S == 0)
        p.taps.push_back({k, v / S});
    }
    phases.push_back(p);
  }
  return phases;
}

Phase forwardPhase(int64_t outputs, int64_t K, int64_t D, int64_t P) {
  Phase p{0, 1, outputs, {}};
  for (int64_t k = 0; k < K; ++k)
    p.taps.push_back({k, k * D - P});
  return p;
}

/// Pixels of a register tile. With few channels a tile is soon done, and storing it counts: several are under way at once. With one channel taps side by
/// side share the pixels that they broadcast, which take registers, too; so do the vectors of pixels that are summed.
int64_t pixelsOf(const GatherConv &c, int64_t vectors, const TargetInfo &target) {
  const bool severalTaps = c.columns.front().taps.size() > 1;
  if (c.sums)
    return std::min<int64_t>(16, severalTaps ? (target.registers - 1 - c.outChannels) / (c.outChannels + 1) : target.registers * 3 / 4 / c.outChannels);
  constexpr int64_t fewChannels = 4, fewPixels = 8, enough = 14;
  const int64_t channels = c.inChannels / c.groups;
  if (channels > fewChannels || c.pairs)
    return tilePixels(vectors, target, enough);
  const bool shares = channels == 1 && severalTaps;
  return tilePixels(vectors, target, shares ? std::clamp<int64_t>((target.registers - vectors) / (vectors + 1), 1, fewPixels) : fewPixels);
}

/// How one kernel is cut.
struct Cut {
  int64_t images;        ///< a tile spans this many images (where rows are short)
  int64_t imagesPerPiece;
  int64_t rowsPerPiece;  ///< output rows of a piece, a multiple of the row phases' step; all where a piece has several images
  bool blocksInPieces;   ///< each piece does one filter block (large filters stay in the cache), else all
  int64_t imagePieces, rowPieces, blockPieces;
};

bool isPowerOf2(int64_t n) { return n > 0 && (n & (n - 1)) == 0; }

int64_t widestRow(const GatherConv &c) {
  int64_t w = 1;
  for (const Phase &p : c.columns)
    w = std::max(w, p.count);
  return w;
}

Cut cutOf(const GatherConv &c, const TargetInfo &target, int64_t lanes) {
  Cut cut;
  int64_t bytes = target.vectorBytes / lanes;
  auto chunks = laneChunks(c.block, lanes);
  int64_t pixels = pixelsOf(c, chunks.front().vectors, target), row = widestRow(c);
  cut.images = row * 2 <= pixels ? evenSplit(c.N, pixels / row).front() : 1;
  double filterBytes = double(c.outChannels) * c.rows.front().taps.size() * c.columns.front().taps.size() * (c.inChannels / c.groups) * bytes;
  cut.blocksInPieces = filterBytes > double(target.l2Bytes) / 2;
  cut.blockPieces = cut.blocksInPieces ? c.outChannels / c.block : 1;
  // A piece is worth tens of microseconds: far more than a launch, far less than a step. Small work has smaller ones, so that threads have some.
  constexpr double most = 6e6, least = 5e5, pieces = 8;
  double pieceFlops = std::clamp(double(c.flops()) / pieces, least, most);
  double imageFlops = double(c.flops()) / c.N / cut.blockPieces;
  cut.imagesPerPiece = std::clamp<int64_t>(int64_t(pieceFlops / std::max(imageFlops, 1.0)), 1, c.N);
  if (isPowerOf2(cut.images))
    cut.imagesPerPiece = std::max(cut.images, cutImages(imageFlops, pieceFlops, c.N).images);
  else
    cut.imagesPerPiece = std::min(c.N, (cut.imagesPerPiece + cut.images - 1) / cut.images * cut.images);
  cut.imagePieces = (c.N + cut.imagesPerPiece - 1) / cut.imagesPerPiece;
  cut.rowsPerPiece = c.OH;
  int64_t step = c.rows.front().step;
  if (cut.imagesPerPiece == 1 && imageFlops > 2 * pieceFlops && !takesWholeMap(c, lanes)) {
    int64_t parts = std::min<int64_t>(int64_t(imageFlops / pieceFlops), (c.OH + step - 1) / step);
    cut.rowsPerPiece = ((c.OH + parts - 1) / parts + step - 1) / step * step;
  }
  cut.rowPieces = (c.OH + cut.rowsPerPiece - 1) / cut.rowsPerPiece;
  return cut;
}

/// Emits tiles; one object a kernel.
class Gather {
public:
  Gather(KernelBuilder &k, const GatherConv &c, Type element, const Ending &ending)
      : k(k), c(c), element(element), lanes(k.lanes(element)), products(k, c.pairs, lanes), x(k.buffer(0)), w(k.buffer(1)), y(k.buffer(2)), results(k, y, ending) {}

  int64_t run() {
    Cut cut = cutOf(c, k.target, lanes);
    constexpr int64_t ofCache = 16, fewChannels = 32;
    const bool comesFromMemory = c.N == 1 && cut.blocksInPieces && !c.sourceBlock;
    filterAhead = comesFromMemory ? filtersAhead : c.inChannels / c.groups >= fewChannels ? ofCache : 0;
    if (c.sums)
      sumsOfTile = k.scratch(element, (pixelsOf(c, 1, k.target) * c.outChannels + lanes - 1) / lanes * lanes);
    Value rest = k.piece;
    Value rowPiece = k.mod(rest, cut.rowPieces);
    rest = k.div(rest, cut.rowPieces);
    Value imagePiece = k.mod(rest, cut.imagePieces);
    Value blockPiece = k.div(rest, cut.imagePieces);
    Value firstImage = k.mul(imagePiece, cut.imagesPerPiece);
    Value lastImage = k.min(k.add(firstImage, cut.imagesPerPiece), k.constant(c.N));
    Value firstRow = k.mul(rowPiece, cut.rowsPerPiece);
    Value lastRow = k.min(k.add(firstRow, cut.rowsPerPiece), k.constant(c.OH));

    if (!cut.blocksInPieces)
      ahead.emplace(k, c, element, cut.imagesPerPiece, cut.rowsPerPiece);
    auto block = [&](Value ob) {
      blockNumber = ob;
      Value wBase = c.sourceBlock ? k.constant(0) : k.mul(ob, c.wBlock);
      if (c.sourceBlock && !c.sums && !takesWholeMap(c, lanes))
        transposeFilters(ob);
      Value outBase = k.mul(ob, c.block);
      int64_t blocksPerGroup = c.outChannels / c.groups / c.block;
      Value group = k.div(ob, blocksPerGroup);
      Value inBase = c.groups == 1 ? k.constant(0) : k.mul(group, c.inChannels / c.groups);
      int64_t whole = c.N / cut.images * cut.images;
      k.loop(firstImage, k.min(lastImage, k.constant(whole)), cut.images,
             [&](Value n) { image(n, cut.images, firstRow, lastRow, wBase, outBase, inBase); });
      if (whole < c.N)
        k.when(k.less(k.constant(whole), lastImage),
               [&] { image(k.constant(whole), c.N - whole, firstRow, lastRow, wBase, outBase, inBase); });
    };
    if (cut.blocksInPieces)
      block(blockPiece);
    else
      k.loop(k.constant(0), k.constant(c.outChannels / c.block), 1, block);
    return cut.rowPieces * cut.imagePieces * cut.blockPieces;
  }

private:
  KernelBuilder &k;
  const GatherConv &c;
  Type element;
  int64_t lanes;
  Products products;
  Value x, w, y;
  Results results;
  Value sumsOfTile; ///< scratch memory for the results of a tile
  int64_t filterAhead = 0; ///< channels that filters are asked for ahead: many where pixels are few and filters come from memory, 0 where they stay in the first-level cache
  std::optional<PointwiseAhead> ahead;
  Value blockNumber;

  /// Asks for the weights some channels behind those at `index`.
  void prefetchFilter(Value index) {
    k.prefetch(w, k.mul(k.add(index, filterAhead * c.wChannel), c.pairs ? 2 : 1), KernelBuilder::First);
  }

  /// From [inChannels/sourceBlock][taps][outChannels][sourceBlock] to this piece's [taps][inChannels][block]. The rows of a tap lie side by side, those of the
  /// next one a constant distance behind them, which are asked for meanwhile.
  void transposeFilters(Value ob) {
    const int64_t tap = c.inChannels * c.block, taps = c.wBlock / tap, distance = c.outChannels * c.sourceBlock, line = elementsOfLine(w);
    Value source = w;
    w = k.scratch(element, c.wBlock);
    k.loop(k.constant(0), k.constant(c.inChannels / c.sourceBlock), 1, [&](Value of) {
      k.loop(k.constant(0), k.constant(taps), 1, [&](Value t) {
        Value from = k.add(k.mul(k.add(k.mul(of, taps), t), distance), k.mul(ob, c.block * c.sourceBlock));
        Value to = k.add(k.mul(t, tap), k.mul(of, c.sourceBlock * c.block));
        k.loop(k.constant(0), k.constant(c.block * c.sourceBlock), line, [&](Value l) { k.prefetch(source, k.add(k.add(from, runsAhead * distance), l)); });
        transposeRun(k, source, from, c.block, c.sourceBlock, w, to, element);
      });
    });
  }

  void image(Value n, int64_t images, Value firstRow, Value lastRow, Value wBase, Value outBase, Value inBase) {
    if (takesWholeMap(c, lanes))
      return wholeMap(k, c, element, n, wBase, outBase, results);
    for (const Phase &rowPhase : c.rows) {
      // Rows i*step + start of this piece; firstRow is a multiple of the step.
      Value lo = k.div(firstRow, rowPhase.step);
      Value hi = k.min(k.constant(rowPhase.count), k.ceilDiv(lastRow, rowPhase.step));
      k.loop(lo, hi, 1, [&](Value i) {
        for (const Phase &columnPhase : c.columns)
          row(n, images, i, rowPhase, columnPhase, wBase, outBase, inBase);
      });
    }
  }

  void row(Value n, int64_t images, Value i, const Phase &rows, const Phase &columns, Value wBase, Value outBase, Value inBase) {
    for (const LaneChunk &chunk : laneChunks(c.block, lanes))
      for (const ColumnRun &run : columnRuns(c, columns, std::max<int64_t>(1, pixelsOf(c, chunk.vectors, k.target) / images))) {
        auto tile = [&](Value n, int64_t images, Value i, const Phase &rows, const Phase &columns, Value j, const ColumnRun &run, const LaneChunk &chunk, Value wBase,
                        Value outBase, Value inBase) {
          c.sums ? sumTile(n, images, i, rows, columns, j, run) : this->tile(n, images, i, rows, columns, j, run, chunk, wBase, outBase, inBase);
        };
        if (run.tiles <= 1)
          tile(n, images, i, rows, columns, k.constant(run.first), run, chunk, wBase, outBase, inBase);
        else
          k.loop(k.constant(run.first), k.constant(run.first + run.width * run.tiles), run.width,
                 [&](Value j) { tile(n, images, i, rows, columns, j, run, chunk, wBase, outBase, inBase); });
      }
  }

  /// Whether the taps of a row run as a loop although there are few channels. Written out, neighbouring taps share the pixels that they broadcast, of
  /// which many taps keep more than there are registers.
  static bool tapsInLoop(int64_t taps, int64_t channels) { return channels <= 4 && channels > 1 && taps > 2; }

  /// The tile of `images` x run.width pixels from column j and one chunk of lanes.
  void tile(Value n, int64_t images, Value i, const Phase &rows, const Phase &columns, Value j, const ColumnRun &run, const LaneChunk &chunk,
            Value wBase, Value outBase, Value inBase) {
    int64_t width = run.width;
    int64_t pixels = images * width, channels = c.inChannels / c.groups;
    SmallVector<Value> acc(pixels * chunk.vectors, k.zeroVector(element, lanes));
    auto laneWidth = [&](int64_t v) { return std::min(lanes, chunk.width - v * lanes); };
    // y[n, i*step+start, j*step+start, outBase + chunk]
    Value outRow = k.add(k.mul(i, rows.step), rows.start);
    Value outColumn = k.add(k.mul(j, columns.step), columns.start);
    Value out = k.add(k.mul(k.add(k.mul(n, c.OH), outRow), c.OW), outColumn);
    out = k.add(k.add(k.mul(out, c.outChannels), outBase), chunk.start);

    if (!rows.taps.empty() && !columns.taps.empty()) {
      const ReachedTaps reach = reachedTaps(k, rows, c.sourceStepH, c.IH, i);
      acc = k.loop(reach.lo, reach.hi, 1, acc, [&](Value t, ValueRange carried) -> SmallVector<Value> {
        Value sourceRow = reach.source(k, t), kRow = reach.cell(k, t);
        Value wRow = k.add(k.add(wBase, k.mul(kRow, c.wRow)), chunk.start);
        // x[n, sourceRow, j*step, inBase]
        Value xRow = k.add(k.mul(k.add(k.mul(n, c.IH), sourceRow), c.IW), k.mul(j, c.sourceStepW));
        xRow = k.add(k.mul(xRow, c.inChannels), inBase);
        auto tapColumn = [&](const Tap &tap, Value xRow, Value wRow, SmallVector<Value> sums) -> SmallVector<Value> {
          SmallVector<int64_t> reached; // pixels of a row of the tile that this tap reaches
          for (int64_t q = 0; q < width; ++q)
            if (run.reaches(c, q, tap.offset))
              reached.push_back(q);
          if (reached.empty())
            return sums;
          Value wTap = k.add(wRow, tap.k * c.wColumn);
          auto update = [&](Value ch, SmallVector<Value> a) {
            SmallVector<Value> filter;
            for (int64_t v = 0; v < chunk.vectors && filterAhead; v += vectorsOfLine(k.target))
              prefetchFilter(k.add(k.add(wTap, k.mul(ch, c.wChannel)), v * lanes));
            for (int64_t v = 0; v < chunk.vectors; ++v)
              filter.push_back(products.load(w, k.add(k.add(wTap, k.mul(ch, c.wChannel)), v * lanes), laneWidth(v)));
            Value xChannel = k.add(xRow, ch);
            for (int64_t m = 0; m < images; ++m)
              for (int64_t q : reached) {
                int64_t offset = m * c.IH * c.IW * c.inChannels + (q * c.sourceStepW + tap.offset) * c.inChannels;
                Value pixel = products.splat(x, k.add(xChannel, offset));
                for (int64_t v = 0; v < chunk.vectors; ++v) {
                  Value &sum = a[(m * width + q) * chunk.vectors + v];
                  sum = products.add(pixel, filter[v], sum);
                }
              }
            return a;
          };
          // Unrolled by 4 where the body is small: the loop's own instructions disappear. Two rounds would be written out, whose taps share too many pixels.
          int64_t unroll = channels % 4 == 0 && channels > 8 && pixels * chunk.vectors <= 32 ? 4 : channels % 2 == 0 ? 2 : 1;
          if (channels <= 4)
            unroll = channels;
          if (int64_t chosen = k.target.choice.of(Knob::Unroll, unroll); channels % chosen == 0)
            unroll = chosen;
          return k.loop(k.constant(0), k.constant(channels), unroll, sums, [&](Value ch, ValueRange inner) -> SmallVector<Value> {
            SmallVector<Value> a(inner);
            if (ahead)
              ahead->ask(x, xRow, y, out, pixels, blockNumber, chunk, k.div(ch, unroll), channels / unroll);
            for (int64_t u = 0; u < unroll; ++u)
              a = update(k.add(ch, u), a);
            return a;
          });
        };
        SmallVector<Value> sums(carried);
        if (const int64_t taps = columns.taps.size(); run.tiles > 0 && tapsInLoop(taps, channels)) {
          const Tap &first = columns.taps[0], &second = columns.taps[1];
          return k.loop(k.constant(0), k.constant(taps), 1, sums, [&](Value t, ValueRange inner) {
            Value xTap = k.add(xRow, k.mul(t, (second.offset - first.offset) * c.inChannels)), wTap = k.add(wRow, k.mul(t, (second.k - first.k) * c.wColumn));
            return tapColumn(first, xTap, wTap, SmallVector<Value>(inner));
          });
        }
        for (const Tap &tap : columns.taps)
          sums = tapColumn(tap, xRow, wRow, sums);
        return sums;
      });
    }

    SmallVector<ChannelScope> of;
    for (int64_t v = 0; v < chunk.vectors; ++v)
      of.push_back(results.of(k.add(outBase, chunk.start + v * lanes), laneWidth(v)));
    for (int64_t m = 0; m < images; ++m)
      for (int64_t q = 0; q < width; ++q)
        for (int64_t v = 0; v < chunk.vectors; ++v) {
          int64_t offset = m * c.OH * c.OW * c.outChannels + q * columns.step * c.outChannels + v * lanes;
          results.store(of[v], acc[(m * width + q) * chunk.vectors + v], k.add(out, offset));
        }
  }

  /// The tile of `images` x run.width pixels from column j and all results; taps and filters as in tile().
  void sumTile(Value n, int64_t images, Value i, const Phase &rows, const Phase &columns, Value j, const ColumnRun &run) {
    const int64_t width = run.width, results = c.outChannels, count = images * width * results;
    SmallVector<Value> acc(count, k.zeroVector(element, lanes));
    if (!rows.taps.empty() && !columns.taps.empty()) {
      const ReachedTaps reach = reachedTaps(k, rows, c.sourceStepH, c.IH, i);
      acc = k.loop(reach.lo, reach.hi, 1, acc, [&](Value t, ValueRange carried) -> SmallVector<Value> {
        Value sourceRow = reach.source(k, t), wRow = k.mul(reach.cell(k, t), c.wRow);
        Value xRow = k.mul(k.add(k.mul(k.add(k.mul(n, c.IH), sourceRow), c.IW), k.mul(j, c.sourceStepW)), c.inChannels);
        return k.loop(k.constant(0), k.constant(c.inChannels / c.sourceBlock), 1, carried, [&](Value block, ValueRange inner) {
          SmallVector<Value> a(inner);
          Value wBlock = k.add(wRow, k.mul(block, c.wBlock)), xBlock = k.add(xRow, k.mul(block, c.sourceBlock));
          for (int64_t lane = 0; lane < c.sourceBlock; lane += lanes) {
            const int64_t used = std::min(lanes, c.sourceBlock - lane);
            for (const Tap &tap : columns.taps) { // which share vectors of pixels
              SmallVector<Value> filter;
              for (int64_t r = 0; r < results; ++r)
                filter.push_back(k.load(w, k.add(wBlock, tap.k * c.wColumn + r * c.wChannel + lane), lanes, used));
              for (int64_t m = 0; m < images; ++m)
                for (int64_t q = 0; q < width; ++q) {
                  if (!run.reaches(c, q, tap.offset))
                    continue;
                  int64_t offset = m * c.IH * c.IW * c.inChannels + (q * c.sourceStepW + tap.offset) * c.inChannels + lane;
                  Value pixel = k.load(x, k.add(xBlock, offset), lanes, used);
                  for (int64_t r = 0; r < results; ++r) {
                    Value &sum = a[(m * width + q) * results + r];
                    sum = k.fma(pixel, filter[r], sum);
                  }
                }
            }
          }
          return a;
        });
      });
    }
    const int64_t held = (count + lanes - 1) / lanes * lanes;
    acc.resize(held, k.zeroVector(element, lanes));
    for (int64_t at = 0; at < held; at += lanes)
      k.store(sumsOfLanes(k, {acc.begin() + at, acc.begin() + at + lanes}), sumsOfTile, k.constant(at), lanes);
    Value outRow = k.add(k.mul(i, rows.step), rows.start), outColumn = k.add(k.mul(j, columns.step), columns.start);
    Value out = k.mul(k.add(k.mul(k.add(k.mul(n, c.OH), outRow), c.OW), outColumn), results);
    // Results of neighbours lie side by side, but for strides.
    const int64_t together = columns.step == 1 ? width * results : results;
    for (int64_t m = 0; m < images; ++m)
      for (int64_t first = 0; first < width * results; first += together)
        for (int64_t at = 0; at < together; at += lanes) {
          const int64_t used = std::min(lanes, together - at);
          Value sums = k.load(sumsOfTile, k.constant(m * width * results + first + at), lanes, used);
          k.store(sums, y, k.add(out, m * c.OH * c.OW * results + first * columns.step + at), used);
        }
  }
};

} // namespace

std::vector<ColumnRun> columnRuns(const GatherConv &c, const Phase &columns, int64_t widest) {
  std::vector<ColumnRun> runs;
  int64_t at = 0;
  for (int64_t width : evenSplit(columns.count, widest)) {
    bool inside = !columns.taps.empty() && at * c.sourceStepW + columns.taps.front().offset >= 0 &&
                  (at + width - 1) * c.sourceStepW + columns.taps.back().offset < c.IW;
    if (inside && !runs.empty() && runs.back().width == width && runs.back().tiles > 0)
      ++runs.back().tiles;
    else
      runs.push_back({at, width, inside ? 1 : 0});
    at += width;
  }
  return runs;
}

ReachedTaps reachedTaps(KernelBuilder &b, const Phase &phase, int64_t step, int64_t extent, Value i) {
  // Taps t with 0 <= i*step + offset(t) < extent; offsets ascend by `stride`.
  int64_t taps = phase.taps.size(), first = phase.taps.front().offset;
  ReachedTaps r;
  r.k = phase.taps.front().k;
  r.stride = taps > 1 ? phase.taps[1].offset - first : 1, r.kStride = taps > 1 ? phase.taps[1].k - phase.taps[0].k : 0;
  r.base = b.add(b.mul(i, step), first);
  r.lo = b.constant(0), r.hi = b.constant(taps);
  int64_t highest = (phase.count - 1) * step + first + (taps - 1) * r.stride;
  if (first < 0) // t >= -base/stride
    r.lo = b.max(r.lo, b.ceilDiv(b.sub(b.constant(0), r.base), r.stride));
  if (highest >= extent) // t <= (extent-1-base)/stride
    r.hi = b.min(r.hi, b.add(b.floorDiv(b.sub(b.constant(extent - 1), r.base), r.stride), 1));
  return r;
}

GatherConv GatherConv::forward(const WindowGeometry &g, bool pairs) {
  GatherConv c;
  int64_t channels = pairs ? g.C / 2 : g.C;
  c.pairs = pairs;
  c.N = g.N, c.OH = g.OH, c.OW = g.OW, c.outChannels = g.O;
  c.IH = g.H, c.IW = g.W, c.inChannels = channels;
  c.sourceStepH = g.SH, c.sourceStepW = g.SW;
  c.rows = {forwardPhase(g.OH, g.KH, g.DH, g.PT)};
  c.columns = {forwardPhase(g.OW, g.KW, g.DW, g.PL)};
  c.groups = g.G, c.block = g.block;
  c.wChannel = g.block;
  c.wColumn = c.wChannel * (channels / g.G);
  c.wRow = c.wColumn * g.KW;
  c.wBlock = c.wRow * g.KH;
  return c;
}

GatherConv GatherConv::inputGrad(const WindowGeometry &g, int64_t block, bool pairs) {
  GatherConv c;
  int64_t channels = pairs ? g.O / 2 : g.O;
  c.pairs = pairs;
  c.N = g.N, c.OH = g.H, c.OW = g.W, c.outChannels = g.C;
  c.IH = g.OH, c.IW = g.OW, c.inChannels = channels;
  c.rows = gradPhases(g.H, g.KH, g.SH, g.DH, g.PT);
  c.columns = gradPhases(g.W, g.KW, g.SW, g.DW, g.PL);
  c.groups = g.G, c.block = block;
  c.wChannel = block;
  c.wColumn = c.wChannel * (channels / g.G);
  c.wRow = c.wColumn * g.KW;
  c.wBlock = c.wRow * g.KH;
  return c;
}

GatherConv GatherConv::ofRows(int64_t N, int64_t inChannels, int64_t outChannels, int64_t block, bool pairs) {
  GatherConv c;
  c.pairs = pairs;
  c.N = N, c.outChannels = outChannels, c.inChannels = pairs ? inChannels / 2 : inChannels;
  c.rows = c.columns = {Phase{0, 1, 1, {{0, 0}}}};
  c.block = block;
  return c;
}

GatherConv GatherConv::inputGradOfSums(const WindowGeometry &g) {
  GatherConv c = inputGrad(g, g.C);
  c.sums = true, c.sourceBlock = g.block;
  c.wChannel = g.block;
  c.wColumn = g.C * g.block;
  c.wRow = c.wColumn * g.KW;
  c.wBlock = c.wRow * g.KH;
  return c;
}

bool GatherConv::mayTranspose(const TargetInfo &target, int64_t lanes, int64_t sourceBlock) const {
  constexpr int64_t stackBytes = 768 << 10;
  const Cut cut = cutOf(*this, target, lanes);
  return !pairs && groups == 1 && cut.blocksInPieces && cut.imagePieces * cut.rowPieces == 1 && block % lanes == 0 && sourceBlock % lanes == 0 && inChannels % lanes == 0 &&
         wBlock * target.vectorBytes / lanes <= stackBytes;
}

uint64_t GatherConv::flops() const {
  uint64_t rowTaps = 0, columnTaps = 0;
  for (const Phase &p : rows)
    rowTaps += p.count * p.taps.size();
  for (const Phase &p : columns)
    columnTaps += p.count * p.taps.size();
  return (pairs ? 4ull : 2ull) * N * rowTaps * columnTaps * outChannels * (inChannels / groups);
}

bool gatherIsByImage(const GatherConv &c, const TargetInfo &target, int64_t lanes) {
  Cut cut = cutOf(c, target, lanes);
  return cut.blockPieces == 1 && isPowerOf2(cut.imagesPerPiece);
}

int64_t buildGatherConv(KernelBuilder &k, const GatherConv &c, Type element, const Ending &ending) {
  int64_t pieces = Gather(k, c, element, ending).run();
  k.finish();
  return pieces;
}

} // namespace cnnc
