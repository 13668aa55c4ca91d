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
  /// With k the channel's first value, s1 = sum(x-k), s2 = sum((x-k)^2): mean = k + s1/M, var = s2/M - (s1/M)^2. Shifting by a value of
  /// the data itself keeps the difference from cancelling (Chan, Golub, LeVeque 1983, eq. 1.7), in one pass over x.
  LogicalResult matchAndRewrite(cnn::BatchStatsOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    Value x = adaptor.getInput();
    auto t = tensorType(x);
    Type element = t.getElementType();
    ChannelLoops l = channelLoops(getContext(), t);
    auto index = [&](int64_t v) -> OpFoldResult { return b.getIndexAttr(v); };
    SmallVector<OpFoldResult> zeros(t.getRank(), index(0)), ones(t.getRank(), index(1)), sizes(t.getRank(), index(1));
    sizes.back() = index(l.C);
    Value first = tensor::ExtractSliceOp::create(b, loc, RankedTensorType::get({l.C}, element), x, zeros, sizes, ones);
    Value zero = filledTensor(b, loc, {l.C}, b.getF64Type(), 0);
    auto sums = generic(b, loc, {x, first}, {zero, zero}, {l.full, l.channel, l.channel, l.channel}, l.reduction,
                        [](Scalar &s, ValueRange a) -> SmallVector<Value> {
                          Value d = s.sub(a[0], a[1]);
                          return {s.add(a[2], widened(s, d)), s.add(a[3], widened(s, s.mul(d, d)))};
                        });
    AffineMap id = AffineMap::getMultiDimIdentityMap(1, getContext());
    Value out = emptyTensor(b, loc, {l.C}, element);
    double inverse = 1.0 / double(l.M);
    auto stats = generic(b, loc, {sums.getResult(0), sums.getResult(1), first}, {out, out}, {id, id, id, id, id}, "p",
                         [&](Scalar &s, ValueRange a) -> SmallVector<Value> {
                           Value scale = s.constant(s.b.getF64Type(), inverse);
                           Value m = s.mul(a[0], scale);
                           Value v = s.sub(s.mul(a[1], scale), s.mul(m, m));
                           return {narrowed(s, s.add(widened(s, a[2]), m), element),
                                   narrowed(s, s.max(v, s.constant(s.b.getF64Type(), 0)), element)};
                         });
    b.replaceOp(op, stats.getResults());
    return success();
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
