// Pooling: checks and adjoints. x (N,C,H,W), y (N,C,OH,OW), indices like y.
// In: cnn.maxpool, cnn.avgpool and their gradients.  Out: errors with numbers; the operations of the adjoints.
#include "compiler/dialect/Checks.h"

using namespace mlir;
using namespace cnnc::cnn;

template <typename Op> static LogicalResult checkPool(Op op, Named input, Named output) {
  if (failed(checkFloats(op, {input, output})) ||
      failed(checkWindow(op, {op.getKernel(), op.getStrides(), op.getPads(), {}}, input, output)))
    return failure();
  ArrayRef<int64_t> x = shapeOf(input.value), y = shapeOf(output.value);
  return checkShape(op, output, {x[0], x[1], y[2], y[3]});
}

/// The least of i8, i16, i32 that counts the cells of a window: k*KW + l < KH*KW.
static LogicalResult checkIndices(Operation *op, Value indices, Named output, ArrayRef<int64_t> kernel) {
  int64_t cells = kernel[0] * kernel[1];
  unsigned width = cells <= 128 ? 8 : cells <= 32768 ? 16 : 32; // 2^7, 2^15
  Type element = cast<RankedTensorType>(indices.getType()).getElementType();
  if (!element.isInteger(width))
    return op->emitOpError() << "indices of a window of " << cells << " cells must have elements of type i" << width
                             << ", have " << element;
  return checkShape(op, {"indices", indices}, shapeOf(output.value));
}

/// No window may lie in the padding alone: the largest value and the mean of nothing are undefined.
static LogicalResult checkPadding(Operation *op, ArrayRef<int64_t> kernel, ArrayRef<int64_t> pads) {
  for (int axis : {0, 1})
    if (pads[axis] >= kernel[axis])
      return op->emitOpError() << "pad " << pads[axis] << " must be less than the kernel's side " << kernel[axis];
  return success();
}

LogicalResult MaxPoolOp::verify() {
  Named output{"output", getOutput()};
  if (failed(checkPool(*this, {"input", getInput()}, output)) || failed(checkPadding(*this, getKernel(), getPads())))
    return failure();
  return checkIndices(*this, getIndices(), output, getKernel());
}
LogicalResult MaxPoolGradOp::verify() {
  Named output{"output gradient", getOutputGrad()};
  if (failed(checkPool(*this, {"input gradient", getInputGrad()}, output)))
    return failure();
  return checkIndices(*this, getIndices(), output, getKernel());
}

/// uncounted = rows, columns at the bottom and right that never count.
static LogicalResult checkUncounted(Operation *op, ArrayRef<int64_t> uncounted, ArrayRef<int64_t> pads) {
  if (uncounted.size() != 2)
    return op->emitOpError() << "uncounted has " << uncounted.size() << " values, expected 2";
  for (int axis : {0, 1})
    if (uncounted[axis] < 0 || uncounted[axis] > pads[2 + axis])
      return op->emitOpError() << "uncounted " << uncounted[axis] << " must be between 0 and the padding behind, "
                               << pads[2 + axis];
  return success();
}

LogicalResult AvgPoolOp::verify() {
  if (failed(checkPool(*this, {"input", getInput()}, {"output", getOutput()})) ||
      failed(checkPadding(*this, getKernel(), getPads())))
    return failure();
  return checkUncounted(*this, getUncounted(), getPads());
}
LogicalResult AvgPoolGradOp::verify() {
  if (failed(checkPool(*this, {"input gradient", getInputGrad()}, {"output gradient", getOutputGrad()})))
    return failure();
  return checkUncounted(*this, getUncounted(), getPads());
}

// dx[indices of the window's largest cell] += dy
FailureOr<SmallVector<Value>> MaxPoolOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  return SmallVector<Value>{MaxPoolGradOp::create(builder, withPhase(getLoc(), backwardPhase), getInput().getType(),
                                                  outputGrads[0], getIndices(), getKernelAttr(), getStridesAttr(),
                                                  getPadsAttr())};
}

// dx[each cell of the window that is none of padding] += dy / (cells that count)
FailureOr<SmallVector<Value>> AvgPoolOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  return SmallVector<Value>{AvgPoolGradOp::create(builder, withPhase(getLoc(), backwardPhase), getInput().getType(),
                                                  outputGrads[0], getKernelAttr(), getStridesAttr(), getPadsAttr(),
                                                  getUncountedAttr(), getCountPadAttr())};
}
