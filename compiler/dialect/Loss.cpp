// Output layer and loss: checks and adjoint. Logits (N,K), labels (N).
// In: cnn.softmax, cross_entropy, cross_entropy_grad, one_hot, log_softmax, class_weights.  Out: errors with numbers; the adjoints.
#include "compiler/dialect/Checks.h"
#include "compiler/dialect/Scalars.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace cnnc::cnn;

LogicalResult SoftmaxOp::verify() {
  Named input{"input", getInput()}, output{"output", getOutput()};
  if (failed(checkFloats(*this, {input, output})) || failed(checkRank(*this, input, {2})))
    return failure();
  return checkShape(*this, output, shapeOf(getInput()));
}

static LogicalResult checkLoss(Operation *op, Value logits, Value labels, const APFloat &smoothing) {
  if (failed(checkRank(op, {"logits", logits}, {2})))
    return failure();
  if (Type element = cast<RankedTensorType>(labels.getType()).getElementType(); !element.isInteger(32))
    return op->emitOpError() << "labels must have elements of type i32, have " << element;
  double s = smoothing.convertToDouble();
  if (!(s >= 0 && s <= 1))
    return op->emitOpError() << "smoothing " << s << " must be between 0 and 1";
  return checkShape(op, {"labels", labels}, {shapeOf(logits)[0]});
}

LogicalResult CrossEntropyOp::verify() {
  Named loss{"loss", getLoss()};
  if (failed(checkFloats(*this, {{"logits", getLogits()}, loss})) ||
      failed(checkLoss(*this, getLogits(), getLabels(), getSmoothing())))
    return failure();
  return checkShape(*this, loss, {});
}
LogicalResult CrossEntropyGradOp::verify() {
  Named grad{"logits gradient", getLogitsGrad()};
  if (failed(checkFloats(*this, {{"logits", getLogits()}, grad})) ||
      failed(checkLoss(*this, getLogits(), getLabels(), getSmoothing())))
    return failure();
  return checkShape(*this, grad, shapeOf(getLogits()));
}

// dx[n,k] = dloss * (softmax(x[n])[k] - t[n,k]) / N
FailureOr<SmallVector<Value>> CrossEntropyOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  Location loc = withPhase(getLoc(), backwardPhase);
  Value grad =
      CrossEntropyGradOp::create(builder, loc, getLogits().getType(), getLogits(), getLabels(), getSmoothingAttr());
  SplatElementsAttr scale;
  if (!matchPattern(outputGrads[0], m_Constant(&scale)) || !scale.getSplatValue<APFloat>().isExactlyValue(1)) {
    FloatType type = floatTypeOf(getLogits());
    grad = MapOp::create(builder, loc, grad.getType(), ValueRange{grad, outputGrads[0]},
                         [&](OpBuilder &builder, Location loc, ValueRange x) {
                           return SmallVector<Value>{Scalars(builder, loc, type).mul(x[0], x[1])};
                         })
               .getResult(0);
  }
  return SmallVector<Value>{grad, Value()};
}

// ---- what the other losses are made of ----

LogicalResult OneHotOp::verify() {
  Named target{"target", getTarget()}, labels{"labels", getLabels()};
  if (failed(checkFloats(*this, {target})) || failed(checkRank(*this, target, {2})))
    return failure();
  if (Type element = cast<RankedTensorType>(getLabels().getType()).getElementType(); !element.isInteger(32))
    return emitOpError() << "labels must have elements of type i32, have " << element;
  return checkShape(*this, labels, {shapeOf(getTarget())[0]});
}

LogicalResult LogSoftmaxOp::verify() {
  Named input{"input", getInput()}, output{"output", getOutput()};
  if (failed(checkFloats(*this, {input, output})) || failed(checkRank(*this, input, {2})))
    return failure();
  return checkShape(*this, output, shapeOf(getInput()));
}

// dx[n,k] = dy[n,k] - exp(y[n,k]) * sum over j of dy[n,j]
FailureOr<SmallVector<Value>> LogSoftmaxOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  Location loc = withPhase(getLoc(), backwardPhase);
  FloatType type = floatTypeOf(getInput());
  auto row = RankedTensorType::get({shapeOf(getInput())[0], 1}, type);
  Value sum = SumToOp::create(builder, loc, row, outputGrads[0]);
  auto grad = MapOp::create(builder, loc, getInput().getType(), ValueRange{outputGrads[0], getOutput(), sum},
                            [&](OpBuilder &builder, Location loc, ValueRange x) {
                              Scalars s(builder, loc, type);
                              return SmallVector<Value>{s.sub(x[0], s.mul(s.call<math::ExpOp>(x[1]), x[2]))};
                            });
  return SmallVector<Value>{grad.getResult(0)};
}

LogicalResult ClassWeightsOp::verify() {
  Named output{"output", getOutput()};
  if (failed(checkFloats(*this, {output})))
    return failure();
  return checkShape(*this, output, {static_cast<int64_t>(getWeights().size())});
}
