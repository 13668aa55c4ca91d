// Dense layers: checks and adjoint. x (N,I), w (O,I), y (N,O).
// In: cnn.dense, cnn.dense_input_grad, cnn.dense_filter_grad.  Out: errors with numbers; for dense the operations of
// its adjoint.
#include "compiler/dialect/Checks.h"

using namespace mlir;
using namespace cnnc::cnn;

static LogicalResult checkDense(Operation *op, Named input, Named weight, Named output) {
  if (failed(checkFloats(op, {input, weight, output})) || failed(checkRank(op, input, {2})) ||
      failed(checkRank(op, weight, {2})))
    return failure();
  ArrayRef<int64_t> x = shapeOf(input.value), w = shapeOf(weight.value);
  if (w[1] != x[1])
    return op->emitOpError() << weight.name << " reads " << w[1] << " values a sample, " << input.name << " has "
                             << x[1];
  return checkShape(op, output, {x[0], w[0]});
}

LogicalResult DenseOp::verify() {
  return checkDense(*this, {"input", getInput()}, {"weight", getWeight()}, {"output", getOutput()});
}
LogicalResult DenseInputGradOp::verify() {
  return checkDense(*this, {"input gradient", getInputGrad()}, {"weight", getWeight()},
                    {"output gradient", getOutputGrad()});
}
LogicalResult DenseFilterGradOp::verify() {
  return checkDense(*this, {"input", getInput()}, {"weight gradient", getFilterGrad()},
                    {"output gradient", getOutputGrad()});
}

// dx = dy w, dw = dy^T x
FailureOr<SmallVector<Value>> DenseOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  Location loc = withPhase(getLoc(), backwardPhase);
  Value inputGrad = DenseInputGradOp::create(builder, loc, getInput().getType(), getWeight(), outputGrads[0]);
  Value weightGrad = DenseFilterGradOp::create(builder, loc, getWeight().getType(), getInput(), outputGrads[0]);
  return SmallVector<Value>{inputGrad, weightGrad};
}
