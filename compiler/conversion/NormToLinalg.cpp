// Batch normalisation -> reductions per channel and elementwise generics.
// In: cnn.batch_stats, cnn.normalize, cnn.batchnorm_grad on (N,H,W,C) or (N,C).  Out: linalg.generic; channels are the last dimension.
#include "compiler/conversion/Build.h"

namespace cnnc::conversion {
namespace {

struct ChannelLoops {
  AffineMap full, channel;
  std::string parallel, reduction; ///< iterators of an elementwise loop nest, and of one that sums to channels
  int64_t C, M;                    ///< channels, elements a channel
};
ChannelLoops channelLoops(MLIRContext *context, RankedTensorType t) {
  unsigned rank = t.getRank();
  int64_t C = t.getShape().back();
  return {AffineMap::getMultiDimIdentityMap(rank, context), AffineMap::get(rank, 0, getAffineDimExpr(rank - 1, context)),
          std::string(rank, 'p'), std::string(rank - 1, 'r') + "p", C, t.getNumElements() / C};
}

/// Sums over many elements are f64 tensors whatever the element type: kernels add short runs in the element type (compiler/kernels/Nest.cpp).
Value widened(Scalar &s, Value v) {
  Type f64 = s.b.getF64Type();
  return v.getType() == f64 ? v : arith::ExtFOp::create(s.b, s.loc, f64, v).getResult();
}
Value narrowed(Scalar &s, Value v, Type element) {
  return v.getType() == element ? v : arith::TruncFOp::create(s.b, s.loc, element, v).getResult();
}

struct BatchStatsPattern : OpConversionPattern<cnn::BatchStatsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::BatchStatsOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    auto shape = tensorType(adaptor.getInput()).getShape();
    // Image by image where sums of images are few beside their pixels: such sums run while the map is still in the caches.
    constexpr int64_t fewestImages = 16, fewestPixels = 32;
    bool byImage = shape.size() == 4 && shape[0] >= fewestImages && shape[1] * shape[2] >= fewestPixels;
    b.replaceOp(op, byImage ? statsByImage(op.getLoc(), adaptor.getInput(), b) : statsAtOnce(op.getLoc(), adaptor.getInput(), b));
    return success();
  }

private:
  static SmallVector<Value> shiftedSums(Scalar &s, ValueRange a) {
    Value d = s.sub(a[0], a[1]);
    return {s.add(a[2], widened(s, d)), s.add(a[3], widened(s, s.mul(d, d)))};
  }
  static Value variance(Scalar &s, Value squares, Value scale, Value minus, Type element) {
    Value v = s.mul(squares, scale);
    return narrowed(s, s.max(minus ? s.sub(v, minus) : v, s.constant(s.b.getF64Type(), 0)), element);
  }

  /// With k the channel's first value, s1 = sum(x-k), s2 = sum((x-k)^2): mean = k + s1/M, var = s2/M - (s1/M)^2. Shifting by a value of
  /// the data itself keeps the difference from cancelling (Chan, Golub, LeVeque 1983, eq. 1.7), in one pass over x.
  SmallVector<Value> statsAtOnce(Location loc, Value x, OpBuilder &b) const {
    auto t = tensorType(x);
    Type element = t.getElementType();
    ChannelLoops l = channelLoops(getContext(), t);
    auto index = [&](int64_t v) -> OpFoldResult { return b.getIndexAttr(v); };
    SmallVector<OpFoldResult> zeros(t.getRank(), index(0)), ones(t.getRank(), index(1)), sizes(t.getRank(), index(1));
    sizes.back() = index(l.C);
    Value first = tensor::ExtractSliceOp::create(b, loc, RankedTensorType::get({l.C}, element), x, zeros, sizes, ones);
    Value zero = filledTensor(b, loc, {l.C}, b.getF64Type(), 0);
    auto sums = generic(b, loc, {x, first}, {zero, zero}, {l.full, l.channel, l.channel, l.channel}, l.reduction, shiftedSums);
    AffineMap id = AffineMap::getMultiDimIdentityMap(1, getContext());
    Value out = emptyTensor(b, loc, {l.C}, element);
    auto stats = generic(b, loc, {sums.getResult(0), sums.getResult(1), first}, {out, out}, {id, id, id, id, id}, "p",
                         [&](Scalar &s, ValueRange a) -> SmallVector<Value> {
                           Value scale = s.constant(s.b.getF64Type(), 1.0 / double(l.M));
                           Value m = s.mul(a[0], scale);
                           return {narrowed(s, s.add(widened(s, a[2]), m), element), variance(s, a[1], scale, s.mul(m, m), element)};
                         });
    return stats.getResults();
  }

  /// The same of each image, with k its own first value: s1[n], s2[n] and mean m[n] = k[n] + s1[n]/P over its P pixels. Then
  /// mean = sum m[n] / N, var = sum (s2[n] - s1[n]^2/P + P*(m[n] - mean)^2) / M  (Chan, Golub, LeVeque 1983, eq. 2.1).
  SmallVector<Value> statsByImage(Location loc, Value x, OpBuilder &b) const {
    auto t = tensorType(x);
    Type element = t.getElementType(), f64 = b.getF64Type();
    const int64_t N = t.getShape()[0], C = t.getShape().back(), M = t.getNumElements() / C, P = M / N;
    MLIRContext *context = getContext();
    auto d = [&](unsigned i) { return getAffineDimExpr(i, context); };
    AffineExpr origin = getAffineConstantExpr(0, context);
    AffineMap all = AffineMap::getMultiDimIdentityMap(4, context), image = AffineMap::get(4, 0, {d(0), d(3)}, context),
              firstOfImage = AffineMap::get(4, 0, {d(0), origin, origin, d(3)}, context);
    Value zeros = filledTensor(b, loc, {N, C}, f64, 0), zero = filledTensor(b, loc, {C}, f64, 0);
    auto sums = generic(b, loc, {x, x}, {zeros, zeros}, {all, firstOfImage, image, image}, "prrp", shiftedSums);
    Value s1 = sums.getResult(0), s2 = sums.getResult(1);

    AffineMap both = AffineMap::getMultiDimIdentityMap(2, context), channel = AffineMap::get(2, 0, d(1)),
              first = AffineMap::get(2, 0, {d(0), origin, origin, d(1)}, context);
    auto meanOfImage = [&](Scalar &s, Value s1, Value k) { return s.add(widened(s, k), s.mul(s1, s.constant(f64, 1.0 / double(P)))); };
    auto means = generic(b, loc, {s1, x}, zero, {both, first, channel}, "rp",
                         [&](Scalar &s, ValueRange a) -> SmallVector<Value> { return {s.add(a[2], meanOfImage(s, a[0], a[1]))}; });
    auto squares = generic(b, loc, {s1, s2, x, means.getResult(0)}, zero, {both, both, first, channel, channel}, "rp",
                           [&](Scalar &s, ValueRange a) -> SmallVector<Value> {
                             Value off = s.sub(meanOfImage(s, a[0], a[2]), s.mul(a[3], s.constant(f64, 1.0 / double(N))));
                             Value within = s.sub(a[1], s.mul(a[0], s.mul(a[0], s.constant(f64, 1.0 / double(P)))));
                             return {s.add(a[4], s.add(within, s.mul(s.constant(f64, double(P)), s.mul(off, off))))};
                           });
    AffineMap id = AffineMap::getMultiDimIdentityMap(1, context);
    Value out = emptyTensor(b, loc, {C}, element);
    auto stats = generic(b, loc, {means.getResult(0), squares.getResult(0)}, {out, out}, {id, id, id, id}, "p",
                         [&](Scalar &s, ValueRange a) -> SmallVector<Value> {
                           return {narrowed(s, s.mul(a[0], s.constant(f64, 1.0 / double(N))), element),
                                   variance(s, a[1], s.constant(f64, 1.0 / double(M)), {}, element)};
                         });
    return stats.getResults();
  }
};

struct NormalizePattern : OpConversionPattern<cnn::NormalizeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::NormalizeOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Value x = adaptor.getInput();
    auto t = tensorType(x);
    ChannelLoops l = channelLoops(getContext(), t);
    double eps = op.getEps().convertToDouble();
    auto y = generic(b, op.getLoc(), {x, adaptor.getMean(), adaptor.getVariance(), adaptor.getWeight(), adaptor.getBias()},
                     emptyTensor(b, op.getLoc(), t.getShape(), t.getElementType()),
                     {l.full, l.channel, l.channel, l.channel, l.channel, l.full}, l.parallel,
                     [&](Scalar &s, ValueRange a) -> SmallVector<Value> {
                       return {s.add(s.mul(s.sub(a[0], a[1]), s.mul(s.inverseStd(a[2], eps), a[3])), a[4])};
                     });
    b.replaceOp(op, y.getResults());
    return success();
  }
};

struct BatchNormGradPattern : OpConversionPattern<cnn::BatchNormGradOp> {
  using OpConversionPattern::OpConversionPattern;
  /// With xh = (x-mean)/std: db = sum dy, dw = sum dy*xh, dx = w/std * (dy - db/M - xh*dw/M)  (Ioffe, Szegedy 2015, section 3).
  LogicalResult matchAndRewrite(cnn::BatchNormGradOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    Value dy = adaptor.getOutputGrad(), x = adaptor.getInput();
    auto t = tensorType(x);
    Type element = t.getElementType();
    ChannelLoops l = channelLoops(getContext(), t);
    double eps = op.getEps().convertToDouble(), inverse = 1.0 / double(l.M);
    Value zero = filledTensor(b, loc, {l.C}, element, 0);
    auto sums = generic(b, loc, {dy, x, adaptor.getMean()}, {zero, zero}, {l.full, l.full, l.channel, l.channel, l.channel}, l.reduction,
                        [](Scalar &s, ValueRange a) -> SmallVector<Value> {
                          return {s.add(a[3], a[0]), s.add(a[4], s.mul(a[0], s.sub(a[1], a[2])))};
                        });
    Value db = sums.getResult(0);
    AffineMap id = AffineMap::getMultiDimIdentityMap(1, getContext());
    auto dw = generic(b, loc, {sums.getResult(1), adaptor.getVariance()}, emptyTensor(b, loc, {l.C}, element), {id, id, id}, "p",
                      [&](Scalar &s, ValueRange a) -> SmallVector<Value> { return {s.mul(a[0], s.inverseStd(a[1], eps))}; });
    auto dx = generic(b, loc, {dy, x, adaptor.getMean(), adaptor.getVariance(), adaptor.getWeight(), db, dw.getResult(0)},
                      emptyTensor(b, loc, t.getShape(), element),
                      {l.full, l.full, l.channel, l.channel, l.channel, l.channel, l.channel, l.full}, l.parallel,
                      [&](Scalar &s, ValueRange a) -> SmallVector<Value> {
                        // dx = p*dy + q*(x - mean) + r with p, q, r per channel: code generation hoists them out of the rows.
                        Value istd = s.inverseStd(a[3], eps), scale = s.constant(element, inverse);
                        Value p = s.mul(a[4], istd);
                        Value minus = s.constant(element, -1.0);
                        Value q = s.mul(minus, s.mul(p, s.mul(istd, s.mul(a[6], scale))));
                        Value r = s.mul(minus, s.mul(p, s.mul(a[5], scale)));
                        return {s.add(s.mul(p, a[0]), s.add(s.mul(q, s.sub(a[1], a[2])), r))};
                      });
    b.replaceOp(op, {dx.getResult(0), dw.getResult(0), db});
    return success();
  }
};

} // namespace

void populateNorm(TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<BatchStatsPattern, NormalizePattern, BatchNormGradPattern>(converter, patterns.getContext());
}

} // namespace cnnc::conversion
