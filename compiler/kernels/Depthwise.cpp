// Depthwise convolution with one filter a channel, and its gradients: multiply-adds with vectors of channels.
// In: WindowGeometry, filter (KH,KW,C).  Out: loops over pixels and taps.
#include "compiler/kernels/Windows.h"

using namespace mlir;

namespace cnnc {

int64_t buildDepthwise(KernelBuilder &k, const WindowGeometry &g, Type element) {
  WindowLoops w(k, g, element);
  w.pixels(g.OH, g.OW, [&](Value n, Value oh, Value ow) {
    auto [kh0, kh1] = w.taps(oh, g.KH, g.SH, g.DH, g.PT, g.H, g.OH);
    auto [kw0, kw1] = w.taps(ow, g.KW, g.SW, g.DW, g.PL, g.W, g.OW);
    Value row0 = k.add(k.mul(oh, g.SH), -g.PT), column0 = k.add(k.mul(ow, g.SW), -g.PL);
    w.channels([&, kh0 = kh0, kh1 = kh1, kw0 = kw0, kw1 = kw1](Value c, int64_t width) {
      auto sum = k.loop(kh0, kh1, 1, k.zeroVector(element, w.lanes), [&](Value kh, ValueRange outer) {
        return k.loop(kw0, kw1, 1, outer, [&](Value kw, ValueRange a) -> SmallVector<Value> {
          Value row = k.add(row0, k.mul(kh, g.DH)), column = k.add(column0, k.mul(kw, g.DW));
          Value x = k.load(k.buffer(0), w.address(n, row, column, g.H, g.W, c), w.lanes, width);
          Value f = k.load(k.buffer(1), k.add(k.mul(k.add(k.mul(kh, g.KW), kw), g.C), c), w.lanes, width);
          return {k.fma(x, f, a[0])};
        });
      });
      k.store(sum[0], k.buffer(2), w.address(n, oh, ow, g.OH, g.OW, c), width);
    });
  });
  k.finish();
  return w.pieces(g.OH, g.OW);
}

int64_t buildDepthwiseInputGrad(KernelBuilder &k, const WindowGeometry &g, Type element) {
  WindowLoops w(k, g, element);
  // Output o reads input `position` through tap t where o*S = position + P - t*D: the tap counts only if S divides that.
  auto source = [&](Value position, Value t, int64_t S, int64_t D, int64_t P, int64_t outputs) {
    Value v = k.sub(k.add(position, P), k.mul(t, D));
    Value o = k.floorDiv(v, S);
    Value exact = k.equal(k.mul(o, S), v);
    Value inside = arith::AndIOp::create(k.b, k.loc, k.less(k.constant(-1), o), k.less(o, k.constant(outputs)));
    return std::pair<Value, Value>(o, arith::AndIOp::create(k.b, k.loc, exact, inside));
  };
  w.pixels(g.H, g.W, [&](Value n, Value ih, Value iw) {
    w.channels([&](Value c, int64_t width) {
      auto sum = k.loop(k.constant(0), k.constant(g.KH), 1, k.zeroVector(element, w.lanes), [&](Value kh, ValueRange outer) {
        return k.loop(k.constant(0), k.constant(g.KW), 1, outer, [&](Value kw, ValueRange a) -> SmallVector<Value> {
          auto [oh, rowOk] = source(ih, kh, g.SH, g.DH, g.PT, g.OH);
          auto [ow, columnOk] = source(iw, kw, g.SW, g.DW, g.PL, g.OW);
          auto ifOp = scf::IfOp::create(k.b, k.loc, TypeRange{a[0].getType()}, arith::AndIOp::create(k.b, k.loc, rowOk, columnOk), true);
          OpBuilder::InsertionGuard guard(k.b);
          k.b.setInsertionPointToStart(&ifOp.getThenRegion().front());
          Value dy = k.load(k.buffer(0), w.address(n, oh, ow, g.OH, g.OW, c), w.lanes, width);
          Value f = k.load(k.buffer(1), k.add(k.mul(k.add(k.mul(kh, g.KW), kw), g.C), c), w.lanes, width);
          scf::YieldOp::create(k.b, k.loc, ValueRange{k.fma(dy, f, a[0])});
          k.b.setInsertionPointToStart(&ifOp.getElseRegion().front());
          scf::YieldOp::create(k.b, k.loc, ValueRange{a[0]});
          return {ifOp.getResult(0)};
        });
      });
      k.store(sum[0], k.buffer(2), w.address(n, ih, iw, g.H, g.W, c), width);
    });
  });
  k.finish();
  return w.pieces(g.H, g.W);
}

int64_t buildDepthwiseFilterGrad(KernelBuilder &k, const WindowGeometry &g, int64_t parts, Type element) {
  WindowLoops w(k, g, element);
  int64_t images = (g.N + parts - 1) / parts;
  Value first = k.mul(k.piece, images), last = k.min(k.add(first, images), k.constant(g.N));
  Value base = k.mul(k.piece, g.KH * g.KW * g.C);
  k.loop(first, last, 1, [&](Value n) {
    Value isFirst = k.equal(n, first);
    w.channels([&](Value c, int64_t width) {
      k.loop(k.constant(0), k.constant(g.KH), 1, [&](Value kh) {
        k.loop(k.constant(0), k.constant(g.KW), 1, [&](Value kw) {
          Value at = k.add(base, k.add(k.mul(k.add(k.mul(kh, g.KW), kw), g.C), c));
          Value zero = k.zeroVector(element, w.lanes);
          Value start = arith::SelectOp::create(k.b, k.loc, isFirst, zero, k.load(k.buffer(2), at, w.lanes, width));
          // Outputs o with 0 <= o*S + t*D - P < side.
          auto outputs = [&](Value t, int64_t S, int64_t D, int64_t P, int64_t side, int64_t count) {
            Value shift = k.add(k.mul(t, D), -P);
            Value lo = k.max(k.constant(0), k.ceilDiv(k.sub(k.constant(0), shift), S));
            Value hi = k.min(k.constant(count), k.add(k.floorDiv(k.sub(k.constant(side - 1), shift), S), 1));
            return std::pair<Value, Value>(lo, hi);
          };
          auto [oh0, oh1] = outputs(kh, g.SH, g.DH, g.PT, g.H, g.OH);
          auto [ow0, ow1] = outputs(kw, g.SW, g.DW, g.PL, g.W, g.OW);
          auto sum = k.loop(oh0, oh1, 1, start, [&, ow0 = ow0, ow1 = ow1](Value oh, ValueRange outer) {
            return k.loop(ow0, ow1, 1, outer, [&](Value ow, ValueRange a) -> SmallVector<Value> {
              Value row = k.add(k.add(k.mul(oh, g.SH), k.mul(kh, g.DH)), -g.PT);
              Value column = k.add(k.add(k.mul(ow, g.SW), k.mul(kw, g.DW)), -g.PL);
              Value x = k.load(k.buffer(0), w.address(n, row, column, g.H, g.W, c), w.lanes, width);
              Value dy = k.load(k.buffer(1), w.address(n, oh, ow, g.OH, g.OW, c), w.lanes, width);
              return {k.fma(x, dy, a[0])};
            });
          });
          k.store(sum[0], k.buffer(2), at, width);
        });
      });
    });
  });
  k.finish();
  return parts;
}

} // namespace cnnc
