// Convolution: checks and adjoint. x (N,C,H,W), w (O,C/G,KH,KW), y (N,O,OH,OW).
// In: cnn.conv, cnn.conv_input_grad, cnn.conv_filter_grad.  Out: errors with numbers; for conv the operations of its
// adjoint.
#include "compiler/dialect/Checks.h"

using namespace mlir;
using namespace cnnc::cnn;

/// The three operations relate the same three tensors.
template <typename Op> static LogicalResult checkConv(Op op, Named input, Named filter, Named output) {
  if (failed(checkFloats(op, {input, filter, output})) || failed(checkRank(op, filter, {4})))
    return failure();
  ArrayRef<int64_t> w = shapeOf(filter.value);
  Window window{w.drop_front(2), op.getStrides(), op.getPads(), op.getDilations()};
  if (op.getDilations().size() != 2)
    return op.emitOpError() << "dilations has " << op.getDilations().size() << " values, expected 2";
  if (failed(checkWindow(op, window, input, output)))
    return failure();
  ArrayRef<int64_t> x = shapeOf(input.value), y = shapeOf(output.value);
  int64_t groups = op.getGroups();
  if (groups < 1 || x[1] % groups || w[0] % groups)
    return op.emitOpError() << groups << " groups do not divide " << x[1] << " input channels and " << w[0]
                            << " filters";
  if (w[1] != x[1] / groups)
    return op.emitOpError() << filter.name << " reads " << w[1] << " channels, expected " << x[1] << "/" << groups
                            << " = " << x[1] / groups;
  return checkShape(op, output, {x[0], w[0], y[2], y[3]});
}

LogicalResult ConvOp::verify() {
  return checkConv(*this, {"input", getInput()}, {"filter", getFilter()}, {"output", getOutput()});
}
LogicalResult ConvInputGradOp::verify() {
  return checkConv(*this, {"input gradient", getInputGrad()}, {"filter", getFilter()},
                   {"output gradient", getOutputGrad()});
}
LogicalResult ConvFilterGradOp::verify() {
  return checkConv(*this, {"input", getInput()}, {"filter gradient", getFilterGrad()},
                   {"output gradient", getOutputGrad()});
}

// dx[n,c,h,w] = sum over o,k,l of dy[n,o,i,j] w[o,c,k,l] where h = i*S+k*D-P, w = j*S+l*D-P
// dw[o,c,k,l] = sum over n,i,j of dy[n,o,i,j] x[n,c,i*S+k*D-P,j*S+l*D-P]
FailureOr<SmallVector<Value>> ConvOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  Location loc = withPhase(getLoc(), backwardPhase);
  Value inputGrad = ConvInputGradOp::create(builder, loc, getInput().getType(), getFilter(), outputGrads[0],
                                            getStridesAttr(), getPadsAttr(), getDilationsAttr(), getGroupsAttr());
  Value filterGrad = ConvFilterGradOp::create(builder, loc, getFilter().getType(), getInput(), outputGrads[0],
                                              getStridesAttr(), getPadsAttr(), getDilationsAttr(), getGroupsAttr());
  return SmallVector<Value>{inputGrad, filterGrad};
}
