// Depthwise convolution with one filter a channel, and its gradients: vectors of channels, register tiles along a row of pixels, so that each
// pixel is loaded once a row of the filter.
// In: WindowGeometry, filter (KH,KW,C).  Out: loops over images, rows, tiles of columns and vectors of channels.
#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/Epilogue.h"
#include "compiler/kernels/Windows.h"
#include "compiler/target/Tiles.h"

#include <map>

using namespace mlir;

namespace cnnc {
namespace {

constexpr int64_t grain = 16384;  // elements of a piece, about
constexpr int64_t widestTile = 8; // pixels: as many sums as hide the latency of an addition

/// Vectors of channels; the last may have fewer lanes.
void channelVectors(KernelBuilder &k, int64_t C, int64_t lanes, llvm::function_ref<void(Value, int64_t)> body) {
  int64_t whole = C / lanes * lanes;
  k.loop(k.constant(0), k.constant(whole), lanes, [&](Value c) { body(c, lanes); });
  if (whole < C)
    body(k.constant(whole), C - whole);
}

/// Forward, and the input's gradient as the same sum with other taps. Buffers: x, w, y.
class DepthwiseGather {
public:
  DepthwiseGather(KernelBuilder &k, const GatherConv &c, int64_t filterColumns, Type element, const Ending &ending)
      : k(k), c(c), C(c.outChannels), filterColumns(filterColumns), element(element), lanes(k.lanes(element)), results(k, k.buffer(2), ending) {}

  int64_t run() {
    int64_t step = c.rows.front().step;
    int64_t rows = std::clamp<int64_t>(grain / (c.OW * C), 1, c.OH);
    rows = std::min((rows + step - 1) / step * step, (c.OH + step - 1) / step * step);
    int64_t rowPieces = (c.OH + rows - 1) / rows;
    int64_t images = rowPieces == 1 ? cutImages(double(c.OH * c.OW * C), double(grain), c.N).images : 1;
    Value firstRow = k.mul(k.mod(k.piece, rowPieces), rows), firstImage = k.mul(k.div(k.piece, rowPieces), images);
    Value lastRow = k.min(k.add(firstRow, rows), k.constant(c.OH));
    k.loop(firstImage, k.min(k.add(firstImage, images), k.constant(c.N)), 1, [&](Value n) {
      for (const Phase &rowPhase : c.rows) {
        Value lo = k.div(firstRow, rowPhase.step), hi = k.min(k.constant(rowPhase.count), k.ceilDiv(lastRow, rowPhase.step));
        k.loop(lo, hi, 1, [&](Value i) {
          for (const Phase &columnPhase : c.columns)
            row(n, i, rowPhase, columnPhase);
        });
      }
    });
    k.finish();
    return rowPieces * ((c.N + images - 1) / images);
  }

private:
  KernelBuilder &k;
  const GatherConv &c;
  int64_t C, filterColumns;
  Type element;
  int64_t lanes;
  Results results;

  void row(Value n, Value i, const Phase &rows, const Phase &columns) {
    int64_t free = k.target.registers - int64_t(columns.taps.size()) - 2;
    for (const ColumnRun &run : columnRuns(c, columns, std::clamp<int64_t>(free, 1, widestTile))) {
      auto tiles = [&](Value j) {
        channelVectors(k, C, lanes, [&](Value ch, int64_t width) { tile(n, i, rows, columns, j, run, ch, width); });
      };
      if (run.tiles <= 1)
        tiles(k.constant(run.first));
      else
        k.loop(k.constant(run.first), k.constant(run.first + run.width * run.tiles), run.width, tiles);
    }
  }

  void tile(Value n, Value i, const Phase &rows, const Phase &columns, Value j, const ColumnRun &run, Value ch, int64_t width) {
    SmallVector<Value> sums(run.width, k.zeroVector(element, lanes));
    if (!rows.taps.empty() && !columns.taps.empty()) {
      const ReachedTaps reach = reachedTaps(k, rows, c.sourceStepH, c.IH, i);
      sums = k.loop(reach.lo, reach.hi, 1, sums, [&](Value t, ValueRange carried) {
        SmallVector<Value> a(carried);
        Value sourceRow = reach.source(k, t), filterRow = reach.cell(k, t);
        Value pixel = k.add(k.mul(k.add(k.mul(n, c.IH), sourceRow), c.IW), k.mul(j, c.sourceStepW));
        Value from = k.add(k.mul(pixel, C), ch), filter = k.add(k.mul(filterRow, filterColumns * C), ch);
        std::map<int64_t, Value> loaded; // by column from j's
        for (const Tap &tap : columns.taps) {
          Value w = k.load(k.buffer(1), k.add(filter, tap.k * C), lanes, width);
          for (int64_t q = 0; q < run.width; ++q) {
            if (!run.reaches(c, q, tap.offset))
              continue;
            int64_t column = q * c.sourceStepW + tap.offset;
            Value &x = loaded[column];
            if (!x)
              x = k.load(k.buffer(0), k.add(from, column * C), lanes, width);
            a[q] = k.fma(x, w, a[q]);
          }
        }
        return a;
      });
    }
    Value outRow = k.add(k.mul(i, rows.step), rows.start), outColumn = k.add(k.mul(j, columns.step), columns.start);
    Value out = k.add(k.mul(k.add(k.mul(k.add(k.mul(n, c.OH), outRow), c.OW), outColumn), C), ch);
    const ChannelScope of = results.of(ch, width);
    for (int64_t q = 0; q < run.width; ++q)
      results.store(of, sums[q], k.add(out, q * columns.step * C));
  }
};

} // namespace

int64_t buildDepthwise(KernelBuilder &k, const WindowGeometry &g, Type element, const Ending &ending) {
  return DepthwiseGather(k, GatherConv::forward(g), g.KW, element, ending).run();
}

int64_t buildDepthwiseInputGrad(KernelBuilder &k, const WindowGeometry &g, Type element) {
  return DepthwiseGather(k, GatherConv::inputGrad(g, g.C), g.KW, element, {}).run();
}

namespace {

/// The filter's gradient of one part of the images: a tile of outputs is multiplied by what as many rows of the filter see of the map as have registers, for
/// one vector of channels behind the other. The sums wait in dw.
class DepthwiseFilterGrad {
public:
  DepthwiseFilterGrad(KernelBuilder &k, const WindowGeometry &g, int64_t parts, Type element)
      : k(k), g(g), c(GatherConv::forward(g)), images((g.N + parts - 1) / parts), lanes(k.lanes(element)), element(element) {
    base = k.mul(k.piece, g.KH * g.KW * g.C);
    widest = k.target.registers >= 32 ? widestTile : widestTile / 2;
    // Registers for the sums, the gradients of a tile and a row of the filter's pixels.
    const int64_t rows = (k.target.registers - 1 - widest) / g.KW - 1;
    int64_t kh = 0;
    for (int64_t count : evenSplit(g.KH, std::max<int64_t>(1, rows))) {
      bands.push_back({kh, count});
      kh += count;
    }
  }

  void run() {
    Value first = k.mul(k.piece, images), last = k.min(k.add(first, images), k.constant(g.N));
    Value zero = k.zeroVector(element, lanes);
    for (int64_t t = 0; t < g.KH * g.KW; ++t)
      channelVectors(k, g.C, lanes, [&](Value ch, int64_t width) { k.store(zero, k.buffer(2), k.add(base, k.add(ch, t * g.C)), width); });
    k.loop(first, last, 1, [&](Value n) {
      for (const Band &band : bands)
        image(n, band);
    });
    k.finish();
  }

private:
  struct Band {
    int64_t kh, count; ///< rows of the filter
  };
  KernelBuilder &k;
  const WindowGeometry &g;
  const GatherConv c;
  int64_t images, lanes, widest;
  Type element;
  Value base; ///< of this part in dw
  SmallVector<Band> bands;

  /// The first output row whose filter row kh lies in the map, and the one behind the last.
  std::pair<int64_t, int64_t> reachedRows(int64_t kh) const {
    const int64_t shift = kh * g.DH - g.PT, last = g.H - 1 - shift; // 0 <= oh*SH + shift < H
    const int64_t lo = shift < 0 ? (g.SH - 1 - shift) / g.SH : 0, hi = last < 0 ? 0 : std::min(g.OH, last / g.SH + 1);
    return {std::min(lo, hi), hi};
  }

  /// The output rows that reach all rows of the band take them together, the others each for itself. A sum takes its rows in their order.
  void image(Value n, const Band &band) {
    int64_t inner = 0, outer = g.OH;
    for (int64_t i = 0; i < band.count; ++i) {
      const auto [lo, hi] = reachedRows(band.kh + i);
      inner = std::max(inner, lo), outer = std::min(outer, hi);
    }
    outer = std::max(outer, inner);
    auto edge = [&](int64_t first, int64_t end) {
      for (int64_t i = 0; i < band.count; ++i) {
        const auto [lo, hi] = reachedRows(band.kh + i);
        rows(n, std::max(lo, first), std::min(hi, end), {band.kh + i, 1});
      }
    };
    edge(0, inner);
    rows(n, inner, outer, band);
    edge(outer, g.OH);
  }

  void rows(Value n, int64_t lo, int64_t hi, const Band &band) {
    k.loop(k.constant(lo), k.constant(hi), 1, [&](Value oh) {
      for (const ColumnRun &run : columnRuns(c, c.columns.front(), widest)) {
        auto tiles = [&](Value j) { channelVectors(k, g.C, lanes, [&](Value ch, int64_t width) { tile(n, oh, j, run, band, ch, width); }); };
        if (run.tiles <= 1)
          tiles(k.constant(run.first));
        else
          k.loop(k.constant(run.first), k.constant(run.first + run.width * run.tiles), run.width, tiles);
      }
    });
  }

  /// Adds what the outputs n,oh,j..j+run.width-1 give to dw[band,:,ch].
  void tile(Value n, Value oh, Value j, const ColumnRun &run, const Band &band, Value ch, int64_t width) {
    Value row = k.add(k.mul(oh, g.SH), band.kh * g.DH - g.PT);
    Value x = k.add(k.mul(k.add(k.mul(k.add(k.mul(n, g.H), row), g.W), k.mul(j, g.SW)), g.C), ch);
    Value dy = k.add(k.mul(k.add(k.mul(k.add(k.mul(n, g.OH), oh), g.OW), j), g.C), ch);
    SmallVector<Value> grads;
    for (int64_t q = 0; q < run.width; ++q)
      grads.push_back(k.load(k.buffer(1), k.add(dy, q * g.C), lanes, width));
    // What the next row of outputs reads first, in the order in which it stands in memory.
    Value nextX = k.add(k.sub(x, ch), k.mul(ch, run.width * g.SW)), nextDy = k.add(k.sub(dy, ch), k.mul(ch, run.width));
    for (int64_t q = 0; q < run.width; ++q)
      k.prefetch(k.buffer(1), k.add(nextDy, g.OW * g.C + q * lanes));
    for (int64_t i = 0; i < g.SH; ++i)
      for (int64_t q = 0; q < run.width * g.SW; ++q)
        k.prefetch(k.buffer(0), k.add(nextX, ((band.count - 1) * g.DH + 1 + i) * g.W * g.C + q * lanes));
    for (int64_t i = 0; i < band.count; ++i) {
      Value dw = k.add(base, k.add(ch, (band.kh + i) * g.KW * g.C));
      SmallVector<Value> sums;
      for (int64_t kw = 0; kw < g.KW; ++kw)
        sums.push_back(k.load(k.buffer(2), k.add(dw, kw * g.C), lanes, width));
      std::map<int64_t, Value> loaded; // by column from j's
      for (int64_t q = 0; q < run.width; ++q)
        for (const Tap &tap : c.columns.front().taps) {
          if (!run.reaches(c, q, tap.offset))
            continue;
          const int64_t column = q * g.SW + tap.offset;
          Value &pixel = loaded[column];
          if (!pixel)
            pixel = k.load(k.buffer(0), k.add(x, (i * g.DH * g.W + column) * g.C), lanes, width);
          sums[tap.k] = k.fma(pixel, grads[q], sums[tap.k]);
        }
      for (int64_t kw = 0; kw < g.KW; ++kw)
        k.store(sums[kw], k.buffer(2), k.add(dw, kw * g.C), width);
    }
  }
};

} // namespace

int64_t buildDepthwiseFilterGrad(KernelBuilder &k, const WindowGeometry &g, int64_t parts, Type element) {
  DepthwiseFilterGrad(k, g, parts, element).run();
  return parts;
}

} // namespace cnnc
