// Output layer and loss: checks and adjoint. Logits (N,K), labels (N).
// In: cnn.softmax, cnn.cross_entropy, cnn.cross_entropy_grad.  Out: errors with numbers; the adjoint of the loss.
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
