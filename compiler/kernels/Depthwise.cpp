// Depthwise convolution with one filter a channel, and its gradients: vectors of channels, register tiles along a row of pixels, so that each
// pixel is loaded once a row of the filter.
// In: WindowGeometry, filter (KH,KW,C).  Out: loops over images, rows, tiles of columns and vectors of channels.
#include "compiler/kernels/Contractions.h"
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
  DepthwiseGather(KernelBuilder &k, const GatherConv &c, int64_t filterColumns, Type element)
      : k(k), c(c), C(c.outChannels), filterColumns(filterColumns), element(element), lanes(k.lanes(element)) {}

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
      TapRows reach = tapRows(k, c, rows, i);
      sums = k.loop(reach.lo, reach.hi, 1, sums, [&](Value t, ValueRange carried) {
        SmallVector<Value> a(carried);
        Value sourceRow = k.add(reach.base, k.mul(t, reach.stride)), filterRow = k.add(k.mul(t, reach.kStride), reach.k);
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
    for (int64_t q = 0; q < run.width; ++q)
      k.store(sums[q], k.buffer(2), k.add(out, q * columns.step * C), width);
  }
};

} // namespace

int64_t buildDepthwise(KernelBuilder &k, const WindowGeometry &g, Type element) {
  return DepthwiseGather(k, GatherConv::forward(g), g.KW, element).run();
}

int64_t buildDepthwiseInputGrad(KernelBuilder &k, const WindowGeometry &g, Type element) {
  return DepthwiseGather(k, GatherConv::inputGrad(g, g.C), g.KW, element).run();
}

int64_t buildDepthwiseFilterGrad(KernelBuilder &k, const WindowGeometry &g, int64_t parts, Type element) {
  constexpr int64_t blockRows = 8; // output rows whose pixels stay in the caches while all tap rows pass over them
  int64_t lanes = k.lanes(element), images = (g.N + parts - 1) / parts, size = g.KH * g.KW * g.C;
  Value first = k.mul(k.piece, images), last = k.min(k.add(first, images), k.constant(g.N)), base = k.mul(k.piece, size);
  Value zero = k.zeroVector(element, lanes);
  for (int64_t t = 0; t < g.KH * g.KW; ++t)
    channelVectors(k, g.C, lanes, [&](Value c, int64_t width) { k.store(zero, k.buffer(2), k.add(base, k.add(c, t * g.C)), width); });

  /// dw[kh,:,c] of the outputs rows lo <= oh < hi of image n.
  auto tapRow = [&](Value n, Value lo, Value hi, Value kh, Value c, int64_t width) {
    Value shift = k.add(k.mul(kh, g.DH), -g.PT); // 0 <= oh*SH + shift < H
    if (g.PT > 0)
      lo = k.max(lo, k.ceilDiv(k.sub(k.constant(0), shift), g.SH));
    if ((g.OH - 1) * g.SH + (g.KH - 1) * g.DH - g.PT >= g.H)
      hi = k.min(hi, k.add(k.floorDiv(k.sub(k.constant(g.H - 1), shift), g.SH), 1));
    Value target = k.add(base, k.add(k.mul(kh, g.KW * g.C), c));
    SmallVector<Value> sums;
    for (int64_t kw = 0; kw < g.KW; ++kw)
      sums.push_back(k.load(k.buffer(2), k.add(target, kw * g.C), lanes, width));
    sums = k.loop(lo, hi, 1, sums, [&](Value oh, ValueRange carried) {
      SmallVector<Value> a(carried);
      Value xRow = k.add(k.mul(k.add(k.mul(n, g.H), k.add(k.mul(oh, g.SH), shift)), g.W * g.C), c);
      Value yRow = k.add(k.mul(k.add(k.mul(n, g.OH), oh), g.OW * g.C), c);
      // `count` outputs from column ow on; `at` says which where it is an edge.
      auto columns = [&](Value ow, std::optional<int64_t> at, int64_t count, SmallVector<Value> s) {
        std::map<int64_t, Value> loaded;
        for (int64_t q = 0; q < count; ++q) {
          Value dy = k.load(k.buffer(1), k.add(yRow, k.mul(k.add(ow, q), g.C)), lanes, width);
          for (int64_t kw = 0; kw < g.KW; ++kw) {
            int64_t column = q * g.SW + kw * g.DW - g.PL;
            if (at && (*at * g.SW + column < 0 || *at * g.SW + column >= g.W))
              continue;
            Value &x = loaded[column];
            if (!x)
              x = k.load(k.buffer(0), k.add(k.add(xRow, k.mul(ow, g.SW * g.C)), column * g.C), lanes, width);
            s[kw] = k.fma(x, dy, s[kw]);
          }
        }
        return s;
      };
      // Outputs whose taps all lie inside the map.
      int64_t inner = std::min(g.OW, (g.PL + g.SW - 1) / g.SW);
      int64_t reach = g.W - 1 - (g.KW - 1) * g.DW + g.PL, outer = std::clamp<int64_t>(reach < 0 ? 0 : reach / g.SW + 1, inner, g.OW);
      constexpr int64_t together = 4;
      int64_t whole = inner + (outer - inner) / together * together;
      for (int64_t ow = 0; ow < inner; ++ow)
        a = columns(k.constant(ow), ow, 1, a);
      a = k.loop(k.constant(inner), k.constant(whole), together, a,
                 [&](Value ow, ValueRange s) { return columns(ow, std::nullopt, together, SmallVector<Value>(s)); });
      for (int64_t ow = whole; ow < g.OW; ++ow)
        a = columns(k.constant(ow), ow, 1, a);
      return a;
    });
    for (int64_t kw = 0; kw < g.KW; ++kw)
      k.store(sums[kw], k.buffer(2), k.add(target, kw * g.C), width);
  };
  k.loop(first, last, 1, [&](Value n) {
    k.loop(k.constant(0), k.constant(g.OH), blockRows, [&](Value from) {
      Value to = k.min(k.add(from, blockRows), k.constant(g.OH));
      channelVectors(k, g.C, lanes, [&](Value c, int64_t width) {
        k.loop(k.constant(0), k.constant(g.KH), 1, [&](Value kh) { tapRow(n, from, to, kh, c, width); });
      });
    });
  });
  k.finish();
  return parts;
}

} // namespace cnnc
