// Cross-entropy of logits, its gradient and the parts of the other losses -> linalg.generic, stable for any logits.
// In: cnn.cross_entropy, cross_entropy_grad, log_softmax, one_hot, class_weights; logits (N,K), labels (N) i32.  Out: row maximum, row sum of exponentials, then one generic.
#include "compiler/conversion/Build.h"

#include <limits>

namespace cnnc::conversion {
namespace {

struct Rows {
  Value maximum, sum; ///< (N): max_k x, sum_k exp(x - max)
  AffineMap full, row, scalar;
};
Rows rows(OpBuilder &b, Location loc, Value x) {
  MLIRContext *context = b.getContext();
  auto t = tensorType(x);
  Type element = t.getElementType();
  AffineExpr n, k;
  bindDims(context, n, k);
  Rows r;
  r.full = AffineMap::getMultiDimIdentityMap(2, context);
  r.row = AffineMap::get(2, 0, n);
  r.scalar = AffineMap::get(2, 0, context);
  r.maximum = generic(b, loc, x, filledTensor(b, loc, t.getDimSize(0), element, -std::numeric_limits<double>::infinity()), {r.full, r.row},
                      "pr", [](Scalar &s, ValueRange a) -> SmallVector<Value> { return {s.max(a[1], a[0])}; })
                  .getResult(0);
  r.sum = generic(b, loc, {x, r.maximum}, filledTensor(b, loc, t.getDimSize(0), element, 0), {r.full, r.row, r.row}, "pr",
                  [](Scalar &s, ValueRange a) -> SmallVector<Value> { return {s.add(a[2], s.exp(s.sub(a[0], a[1])))}; })
              .getResult(0);
  return r;
}

/// t = (1-s)*[k == label] + s/K
Value target(Scalar &s, Value label, double smoothing, int64_t classes, Type element) {
  Value k = arith::IndexCastOp::create(s.b, s.loc, label.getType(), linalg::IndexOp::create(s.b, s.loc, 1));
  Value hit = arith::CmpIOp::create(s.b, s.loc, arith::CmpIPredicate::eq, k, label);
  double rest = smoothing / double(classes);
  return arith::SelectOp::create(s.b, s.loc, hit, s.constant(element, 1.0 - smoothing + rest), s.constant(element, rest));
}

struct CrossEntropyPattern : OpConversionPattern<cnn::CrossEntropyOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::CrossEntropyOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Value x = adaptor.getLogits();
    auto t = tensorType(x);
    Type element = t.getElementType();
    Rows r = rows(b, op.getLoc(), x);
    double smoothing = op.getSmoothing().convertToDouble();
    auto loss = generic(b, op.getLoc(), {x, r.maximum, r.sum, adaptor.getLabels()}, filledTensor(b, op.getLoc(), {}, element, 0),
                        {r.full, r.row, r.row, r.row, r.scalar}, "rr", [&](Scalar &s, ValueRange a) -> SmallVector<Value> {
                          Value logp = s.sub(s.sub(a[0], a[1]), s.log(a[2]));
                          Value weight = s.mul(target(s, a[3], smoothing, t.getDimSize(1), element),
                                               s.constant(element, -1.0 / double(t.getDimSize(0))));
                          // A target of 0 adds nothing, whatever the logit: 0 * -inf must not become NaN.
                          Value none = arith::CmpFOp::create(s.b, s.loc, arith::CmpFPredicate::OEQ, weight, s.constant(element, 0));
                          Value term = arith::SelectOp::create(s.b, s.loc, none, s.constant(element, 0), s.mul(weight, logp));
                          return {s.add(a[4], term)};
                        });
    b.replaceOp(op, loss.getResults());
    return success();
  }
};

struct CrossEntropyGradPattern : OpConversionPattern<cnn::CrossEntropyGradOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::CrossEntropyGradOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Value x = adaptor.getLogits();
    auto t = tensorType(x);
    Type element = t.getElementType();
    Rows r = rows(b, op.getLoc(), x);
    double smoothing = op.getSmoothing().convertToDouble();
    auto grad = generic(b, op.getLoc(), {x, r.maximum, r.sum, adaptor.getLabels()},
                        emptyTensor(b, op.getLoc(), t.getShape(), element), {r.full, r.row, r.row, r.row, r.full}, "pp",
                        [&](Scalar &s, ValueRange a) -> SmallVector<Value> {
                          Value p = s.div(s.exp(s.sub(a[0], a[1])), a[2]);
                          Value d = s.sub(p, target(s, a[3], smoothing, t.getDimSize(1), element));
                          return {s.mul(d, s.constant(element, 1.0 / double(t.getDimSize(0))))};
                        });
    b.replaceOp(op, grad.getResults());
    return success();
  }
};

struct LogSoftmaxPattern : OpConversionPattern<cnn::LogSoftmaxOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::LogSoftmaxOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Value x = adaptor.getInput();
    auto t = tensorType(x);
    Rows r = rows(b, op.getLoc(), x);
    auto y = generic(b, op.getLoc(), {x, r.maximum, r.sum}, emptyTensor(b, op.getLoc(), t.getShape(), t.getElementType()),
                     {r.full, r.row, r.row, r.full}, "pp", [](Scalar &s, ValueRange a) -> SmallVector<Value> {
                       return {s.sub(s.sub(a[0], a[1]), s.log(a[2]))};
                     });
    b.replaceOp(op, y.getResults());
    return success();
  }
};

struct OneHotPattern : OpConversionPattern<cnn::OneHotOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::OneHotOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    auto t = cast<RankedTensorType>(op.getTarget().getType());
    AffineExpr n, k;
    bindDims(getContext(), n, k);
    auto y = generic(b, op.getLoc(), adaptor.getLabels(), emptyTensor(b, op.getLoc(), t.getShape(), t.getElementType()),
                     {AffineMap::get(2, 0, n), AffineMap::getMultiDimIdentityMap(2, getContext())}, "pp",
                     [&](Scalar &s, ValueRange a) -> SmallVector<Value> {
                       return {target(s, a[0], 0, t.getDimSize(1), t.getElementType())};
                     });
    b.replaceOp(op, y.getResults());
    return success();
  }
};

/// A chain of choices by the class's number.
struct ClassWeightsPattern : OpConversionPattern<cnn::ClassWeightsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::ClassWeightsOp op, OpAdaptor, ConversionPatternRewriter &b) const override {
    auto t = cast<RankedTensorType>(op.getOutput().getType());
    ArrayRef<double> weights = op.getWeights();
    auto y = generic(b, op.getLoc(), {}, emptyTensor(b, op.getLoc(), t.getShape(), t.getElementType()),
                     AffineMap::getMultiDimIdentityMap(1, getContext()), "p", [&](Scalar &s, ValueRange) -> SmallVector<Value> {
                       Value k = linalg::IndexOp::create(s.b, s.loc, 0), weight = s.constant(t.getElementType(), weights[0]);
                       for (auto [i, w] : llvm::enumerate(weights.drop_front())) {
                         Value here = arith::ConstantIndexOp::create(s.b, s.loc, 1 + i);
                         Value hit = arith::CmpIOp::create(s.b, s.loc, arith::CmpIPredicate::eq, k, here);
                         weight = arith::SelectOp::create(s.b, s.loc, hit, s.constant(t.getElementType(), w), weight);
                       }
                       return {weight};
                     });
    b.replaceOp(op, y.getResults());
    return success();
  }
};

} // namespace

void populateLoss(TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<CrossEntropyPattern, CrossEntropyGradPattern, LogSoftmaxPattern, OneHotPattern, ClassWeightsPattern>(converter, patterns.getContext());
}

} // namespace cnnc::conversion
