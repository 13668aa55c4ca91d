// Pooling kernels: each output (or, for gradients, each input) pixel walks its window (or the windows that hold it).
// In: WindowGeometry, buffers as in Windows.h.  Out: loops over pixels with vectors of channels inside.
#include "compiler/kernels/PoolSource.h"

#include <algorithm>
#include <limits>

using namespace mlir;

namespace cnnc {

ImageCut WindowLoops::cut(int64_t rows, int64_t columns) const {
  constexpr double grain = 32768; // elements of the larger map
  return cutImages(double(std::max({rows * columns, g.H * g.W, g.OH * g.OW}) * g.C), grain, g.N);
}

void WindowLoops::pixels(int64_t rows, int64_t columns, PixelBody body) {
  int64_t images = cut(rows, columns).images;
  Value first = k.mul(k.piece, images), last = k.min(k.add(first, images), k.constant(g.N));
  k.loop(first, last, 1, [&](Value n) {
    k.loop(k.constant(0), k.constant(rows), 1,
           [&](Value row) { k.loop(k.constant(0), k.constant(columns), 1, [&](Value column) { body(n, row, column); }); });
  });
}

void WindowLoops::channels(ChannelBody body) {
  int64_t whole = g.C / lanes * lanes;
  if (whole)
    k.loop(k.constant(0), k.constant(whole), lanes, [&](Value c) { body(c, lanes); });
  if (whole < g.C)
    body(k.constant(whole), g.C - whole);
}

std::pair<Value, Value> WindowLoops::taps(Value position, int64_t K, int64_t S, int64_t D, int64_t P, int64_t side, int64_t outputs) {
  Value start = k.add(k.mul(position, S), -P), lo = k.constant(0), hi = k.constant(K);
  if (P > 0)
    lo = k.max(lo, k.ceilDiv(k.sub(k.constant(0), start), D));
  if ((outputs - 1) * S - P + (K - 1) * D >= side)
    hi = k.min(hi, k.add(k.floorDiv(k.sub(k.constant(side - 1), start), D), 1));
  return {lo, hi};
}

std::pair<Value, Value> WindowLoops::windows(Value position, int64_t K, int64_t S, int64_t P, int64_t outputs) {
  Value at = k.add(position, P);
  Value lo = k.max(k.constant(0), k.ceilDiv(k.add(at, 1 - K), S));
  Value hi = k.min(k.constant(outputs), k.add(k.floorDiv(at, S), 1));
  return {lo, hi};
}

Value WindowLoops::address(Value n, Value row, Value column, int64_t rows, int64_t columns, Value c) {
  Value pixel = k.add(k.mul(k.add(k.mul(n, rows), row), columns), column);
  return k.add(k.mul(pixel, g.C), c);
}

namespace {

Value indexVector(KernelBuilder &k, Value number, Type index, int64_t lanes) {
  return k.splat(arith::IndexCastOp::create(k.b, k.loc, index, number), lanes);
}

/// 1 / (cells that count) of window (oh, ow), as a scalar: see cnn.avgpool.
Value reciprocalCount(WindowLoops &w, Value oh, Value ow) {
  KernelBuilder &k = w.k;
  const WindowGeometry &g = w.g;
  auto side = [&](Value o, int64_t outputs, int64_t K, int64_t S, int64_t before, int64_t extent, int64_t after, int64_t extra) -> Value {
    int64_t end = extent + after - extra;
    bool whole = (outputs - 1) * S - before + K <= (g.countPad ? end : extent) && (g.countPad || before == 0);
    if (whole)
      return k.constant(K);
    Value lo = k.add(k.mul(o, S), -before), hi = k.min(k.add(lo, K), k.constant(g.countPad ? end : std::min(end, extent)));
    if (!g.countPad)
      lo = k.max(lo, k.constant(0));
    return k.max(k.sub(hi, lo), k.constant(1));
  };
  Value rows = side(oh, g.OH, g.KH, g.SH, g.PT, g.H, g.PB, g.UH), columns = side(ow, g.OW, g.KW, g.SW, g.PL, g.W, g.PR, g.UW);
  Value cells = k.b.createOrFold<arith::MulIOp>(k.loc, rows, columns);
  Value count = arith::SIToFPOp::create(k.b, k.loc, w.element, arith::IndexCastOp::create(k.b, k.loc, k.b.getI64Type(), cells));
  return arith::DivFOp::create(k.b, k.loc, k.scalar(w.element, 1.0), count);
}

} // namespace

int64_t buildMaxPool(KernelBuilder &k, const WindowGeometry &g, Type element, Type index, const NestPlan *program, ArrayRef<int> buffers) {
  WindowLoops w(k, g, element);
  PoolSource source(w, program, buffers);
  Value y = k.buffer(buffers[buffers.size() - 2]), indices = k.buffer(buffers.back());
  w.pixels(g.OH, g.OW, [&](Value n, Value oh, Value ow) {
    auto [kh0, kh1] = w.taps(oh, g.KH, g.SH, 1, g.PT, g.H, g.OH);
    auto [kw0, kw1] = w.taps(ow, g.KW, g.SW, 1, g.PL, g.W, g.OW);
    Value row0 = k.add(k.mul(oh, g.SH), -g.PT), column0 = k.add(k.mul(ow, g.SW), -g.PL);
    w.channels([&](Value c, int64_t width) {
      auto type = VectorType::get(w.lanes, index);
      Value best = k.splat(k.scalar(element, -std::numeric_limits<double>::infinity()), w.lanes);
      Value where = arith::ConstantOp::create(k.b, k.loc, type, k.b.getZeroAttr(type));
      auto cell = [&](Value kh, Value kw, ValueRange a) -> SmallVector<Value> {
        Value x = source.at(k.add(row0, kh), k.add(column0, kw));
        Value wins = arith::CmpFOp::create(k.b, k.loc, arith::CmpFPredicate::UGT, x, a[0]);
        Value number = indexVector(k, k.add(k.mul(kh, g.KW), kw), index, w.lanes);
        return {arith::SelectOp::create(k.b, k.loc, wins, x, a[0]), arith::SelectOp::create(k.b, k.loc, wins, number, a[1])};
      };
      SmallVector<Value> result{best, where};
      source.turnTo(n, oh, ow, c, width);
      bool padded = g.PT || g.PL || g.PB || g.PR;
      constexpr int64_t small = 16; // cells that are written out
      if (!padded && g.KH * g.KW <= small) {
        for (int64_t kh = 0; kh < g.KH; ++kh)
          for (int64_t kw = 0; kw < g.KW; ++kw)
            result = cell(k.constant(kh), k.constant(kw), result);
      } else {
        result = k.loop(kh0, kh1, 1, result, [&, kw0 = kw0, kw1 = kw1](Value kh, ValueRange outer) {
          return k.loop(kw0, kw1, 1, outer, [&](Value kw, ValueRange a) { return cell(kh, kw, a); });
        });
      }
      Value at = w.address(n, oh, ow, g.OH, g.OW, c);
      k.store(result[0], y, at, width);
      k.store(result[1], indices, at, width);
    });
  });
  k.finish();
  return w.pieces(g.OH, g.OW);
}

int64_t buildMaxPoolGrad(KernelBuilder &k, const WindowGeometry &g, Type element, Type index) {
  WindowLoops w(k, g, element);
  Value zero = k.zeroVector(element, w.lanes);
  bool tiles = g.KH == g.SH && g.KW == g.SW && !g.PT && !g.PL && !g.PB && !g.PR && g.OH * g.SH == g.H && g.OW * g.SW == g.W;
  if (tiles) { // every input pixel is in one window
    w.pixels(g.OH, g.OW, [&](Value n, Value oh, Value ow) {
      w.channels([&](Value c, int64_t width) {
        Value at = w.address(n, oh, ow, g.OH, g.OW, c);
        Value dy = k.load(k.buffer(0), at, w.lanes, width), where = k.load(k.buffer(1), at, w.lanes, width);
        auto cell = [&](Value kh, Value kw) {
          Value number = indexVector(k, k.add(k.mul(kh, g.KW), kw), index, w.lanes);
          Value here = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq, where, number);
          Value to = w.address(n, k.add(k.mul(oh, g.SH), kh), k.add(k.mul(ow, g.SW), kw), g.H, g.W, c);
          k.store(arith::SelectOp::create(k.b, k.loc, here, dy, zero), k.buffer(2), to, width);
        };
        constexpr int64_t small = 16;
        if (g.KH * g.KW <= small)
          for (int64_t i = 0; i < g.KH * g.KW; ++i)
            cell(k.constant(i / g.KW), k.constant(i % g.KW));
        else
          k.loop(k.constant(0), k.constant(g.KH), 1,
                 [&](Value kh) { k.loop(k.constant(0), k.constant(g.KW), 1, [&](Value kw) { cell(kh, kw); }); });
      });
    });
    k.finish();
    return w.pieces(g.OH, g.OW);
  }
  w.pixels(g.H, g.W, [&](Value n, Value ih, Value iw) {
    auto [oh0, oh1] = w.windows(ih, g.KH, g.SH, g.PT, g.OH);
    auto [ow0, ow1] = w.windows(iw, g.KW, g.SW, g.PL, g.OW);
    w.channels([&, oh0 = oh0, oh1 = oh1, ow0 = ow0, ow1 = ow1](Value c, int64_t width) {
      auto sum = k.loop(oh0, oh1, 1, zero, [&](Value oh, ValueRange outer) {
        return k.loop(ow0, ow1, 1, outer, [&](Value ow, ValueRange a) -> SmallVector<Value> {
          Value at = w.address(n, oh, ow, g.OH, g.OW, c);
          Value kh = k.sub(k.add(ih, g.PT), k.mul(oh, g.SH)), kw = k.sub(k.add(iw, g.PL), k.mul(ow, g.SW));
          Value number = indexVector(k, k.add(k.mul(kh, g.KW), kw), index, w.lanes);
          Value where = k.load(k.buffer(1), at, w.lanes, width);
          Value here = arith::CmpIOp::create(k.b, k.loc, arith::CmpIPredicate::eq, where, number);
          Value dy = arith::SelectOp::create(k.b, k.loc, here, k.load(k.buffer(0), at, w.lanes, width), zero);
          return {arith::AddFOp::create(k.b, k.loc, a[0], dy)};
        });
      });
      k.store(sum[0], k.buffer(2), w.address(n, ih, iw, g.H, g.W, c), width);
    });
  });
  k.finish();
  return w.pieces(g.H, g.W);
}

int64_t buildAvgPool(KernelBuilder &k, const WindowGeometry &g, Type element, const NestPlan *program, ArrayRef<int> buffers) {
  WindowLoops w(k, g, element);
  PoolSource source(w, program, buffers);
  Value y = k.buffer(buffers.back());
  w.pixels(g.OH, g.OW, [&](Value n, Value oh, Value ow) {
    auto [kh0, kh1] = w.taps(oh, g.KH, g.SH, 1, g.PT, g.H, g.OH);
    auto [kw0, kw1] = w.taps(ow, g.KW, g.SW, 1, g.PL, g.W, g.OW);
    Value row0 = k.add(k.mul(oh, g.SH), -g.PT), column0 = k.add(k.mul(ow, g.SW), -g.PL);
    Value scale = k.splat(reciprocalCount(w, oh, ow), w.lanes);
    w.channels([&, kh0 = kh0, kh1 = kh1, kw0 = kw0, kw1 = kw1](Value c, int64_t width) {
      source.turnTo(n, oh, ow, c, width);
      auto sum = k.loop(kh0, kh1, 1, k.zeroVector(element, w.lanes), [&](Value kh, ValueRange outer) {
        return k.loop(kw0, kw1, 1, outer, [&](Value kw, ValueRange a) -> SmallVector<Value> {
          Value x = source.at(k.add(row0, kh), k.add(column0, kw));
          return {arith::AddFOp::create(k.b, k.loc, a[0], x)};
        });
      });
      k.store(arith::MulFOp::create(k.b, k.loc, sum[0], scale), y, w.address(n, oh, ow, g.OH, g.OW, c), width);
    });
  });
  k.finish();
  return w.pieces(g.OH, g.OW);
}

int64_t buildAvgPoolGrad(KernelBuilder &k, const WindowGeometry &g, Type element) {
  WindowLoops w(k, g, element);
  w.pixels(g.H, g.W, [&](Value n, Value ih, Value iw) {
    auto [oh0, oh1] = w.windows(ih, g.KH, g.SH, g.PT, g.OH);
    auto [ow0, ow1] = w.windows(iw, g.KW, g.SW, g.PL, g.OW);
    w.channels([&, oh0 = oh0, oh1 = oh1, ow0 = ow0, ow1 = ow1](Value c, int64_t width) {
      auto sum = k.loop(oh0, oh1, 1, k.zeroVector(element, w.lanes), [&](Value oh, ValueRange outer) {
        return k.loop(ow0, ow1, 1, outer, [&](Value ow, ValueRange a) -> SmallVector<Value> {
          Value dy = k.load(k.buffer(0), w.address(n, oh, ow, g.OH, g.OW, c), w.lanes, width);
          return {k.fma(dy, k.splat(reciprocalCount(w, oh, ow), w.lanes), a[0])};
        });
      });
      k.store(sum[0], k.buffer(1), w.address(n, ih, iw, g.H, g.W, c), width);
    });
  });
  k.finish();
  return w.pieces(g.H, g.W);
}

} // namespace cnnc
