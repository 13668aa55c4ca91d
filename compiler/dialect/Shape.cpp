// Operations that move elements and compute nothing: checks, folds and adjoints.
// In: cnn.flatten, unflatten, reshape, positions, from_positions, concat, slice_channels.  Out: errors with numbers; the operations of the
// adjoints.
#include "compiler/dialect/Checks.h"

using namespace mlir;
using namespace cnnc::cnn;

static LogicalResult checkSameCount(Operation *op, Named input, Named output) {
  if (failed(checkFloats(op, {input, output})))
    return failure();
  auto x = cast<RankedTensorType>(input.value.getType()), y = cast<RankedTensorType>(output.value.getType());
  if (x.getNumElements() == y.getNumElements())
    return success();
  return op->emitOpError() << output.name << " " << shapeText(y.getShape()) << " has " << y.getNumElements()
                           << " elements, " << input.name << " " << shapeText(x.getShape()) << " has "
                           << x.getNumElements();
}

// Flatten, unflatten and reshape of one another: y keeps the order of elements, so only first and last shape matter.
static Value sourceOf(Value value) {
  Operation *op = value.getDefiningOp();
  return op && isa<FlattenOp, UnflattenOp, ReshapeOp>(op) ? op->getOperand(0) : Value();
}
static OpFoldResult foldBack(Value input, Type output) {
  if (input.getType() == output)
    return input;
  Value source = sourceOf(input);
  return source && source.getType() == output ? source : Value();
}

LogicalResult FlattenOp::verify() {
  Named input{"input", getInput()}, output{"output", getOutput()};
  if (failed(checkFloats(*this, {input, output})) || failed(checkRank(*this, input, {4})))
    return failure();
  ArrayRef<int64_t> x = shapeOf(getInput());
  return checkShape(*this, output, {x[0], x[1] * x[2] * x[3]});
}
LogicalResult UnflattenOp::verify() {
  Named input{"input", getInput()}, output{"output", getOutput()};
  if (failed(checkFloats(*this, {input, output})) || failed(checkRank(*this, output, {4})))
    return failure();
  ArrayRef<int64_t> y = shapeOf(getOutput());
  return checkShape(*this, input, {y[0], y[1] * y[2] * y[3]});
}
LogicalResult ReshapeOp::verify() { return checkSameCount(*this, {"input", getInput()}, {"output", getOutput()}); }

OpFoldResult FlattenOp::fold(FoldAdaptor) { return foldBack(getInput(), getType()); }
OpFoldResult UnflattenOp::fold(FoldAdaptor) { return foldBack(getInput(), getType()); }
OpFoldResult ReshapeOp::fold(FoldAdaptor) { return foldBack(getInput(), getType()); }

FailureOr<SmallVector<Value>> FlattenOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  return SmallVector<Value>{
      UnflattenOp::create(builder, withPhase(getLoc(), backwardPhase), getInput().getType(), outputGrads[0])};
}
FailureOr<SmallVector<Value>> UnflattenOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  return SmallVector<Value>{
      FlattenOp::create(builder, withPhase(getLoc(), backwardPhase), getInput().getType(), outputGrads[0])};
}
FailureOr<SmallVector<Value>> ReshapeOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  return SmallVector<Value>{
      ReshapeOp::create(builder, withPhase(getLoc(), backwardPhase), getInput().getType(), outputGrads[0])};
}

static SmallVector<int64_t> positionsOf(ArrayRef<int64_t> x) { return {x[0] * x[2] * x[3], x[1]}; }

LogicalResult PositionsOp::verify() {
  Named input{"input", getInput()}, output{"output", getOutput()};
  if (failed(checkFloats(*this, {input, output})) || failed(checkRank(*this, input, {4})))
    return failure();
  return checkShape(*this, output, positionsOf(shapeOf(getInput())));
}
LogicalResult FromPositionsOp::verify() {
  Named input{"input", getInput()}, output{"output", getOutput()};
  if (failed(checkFloats(*this, {input, output})) || failed(checkRank(*this, output, {4})))
    return failure();
  return checkShape(*this, input, positionsOf(shapeOf(getOutput())));
}
OpFoldResult PositionsOp::fold(FoldAdaptor) {
  auto back = getInput().getDefiningOp<FromPositionsOp>();
  return back && back.getInput().getType() == getType() ? back.getInput() : Value();
}
OpFoldResult FromPositionsOp::fold(FoldAdaptor) {
  auto back = getInput().getDefiningOp<PositionsOp>();
  return back && back.getInput().getType() == getType() ? back.getInput() : Value();
}
FailureOr<SmallVector<Value>> PositionsOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  return SmallVector<Value>{
      FromPositionsOp::create(builder, withPhase(getLoc(), backwardPhase), getInput().getType(), outputGrads[0])};
}
FailureOr<SmallVector<Value>> FromPositionsOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  return SmallVector<Value>{
      PositionsOp::create(builder, withPhase(getLoc(), backwardPhase), getInput().getType(), outputGrads[0])};
}

LogicalResult ConcatOp::verify() {
  if (getInputs().empty())
    return emitOpError() << "joins nothing";
  Named output{"output", getOutput()};
  if (failed(checkRank(*this, output, {2, 4})))
    return failure();
  int64_t channels = 0;
  for (Value input : getInputs()) {
    SmallVector<int64_t> expected(shapeOf(getOutput()));
    if (failed(checkFloats(*this, {output, {"input", input}})) ||
        failed(checkRank(*this, {"input", input}, {static_cast<int64_t>(expected.size())})))
      return failure();
    expected[1] = shapeOf(input)[1];
    channels += expected[1];
    if (failed(checkShape(*this, {"input", input}, expected)))
      return failure();
  }
  if (channels != shapeOf(getOutput())[1])
    return emitOpError() << "output has " << shapeOf(getOutput())[1] << " channels, the inputs have " << channels;
  return success();
}
LogicalResult SliceChannelsOp::verify() {
  Named input{"input", getInput()}, output{"output", getOutput()};
  if (failed(checkFloats(*this, {input, output})) || failed(checkRank(*this, input, {2, 4})))
    return failure();
  ArrayRef<int64_t> x = shapeOf(getInput());
  SmallVector<int64_t> expected(x);
  if (shapeOf(getOutput()).size() == x.size())
    expected[1] = shapeOf(getOutput())[1];
  if (failed(checkShape(*this, output, expected)))
    return failure();
  int64_t offset = getOffset(), end = offset + expected[1];
  if (offset < 0 || end > x[1])
    return emitOpError() << "channels " << offset << " .. " << end << " lie outside of the input's " << x[1];
  return success();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) {
  return getInputs().size() == 1 && getInputs()[0].getType() == getType() ? getInputs()[0] : Value();
}
/// The slice that is the whole input, or one operand of a concat.
OpFoldResult SliceChannelsOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  auto concat = getInput().getDefiningOp<ConcatOp>();
  if (!concat)
    return {};
  int64_t offset = 0;
  for (Value input : concat.getInputs()) {
    if (offset == static_cast<int64_t>(getOffset()) && input.getType() == getType())
      return input;
    offset += shapeOf(input)[1];
  }
  return {};
}

FailureOr<SmallVector<Value>> ConcatOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  SmallVector<Value> grads;
  int64_t offset = 0;
  for (Value input : getInputs()) {
    grads.push_back(SliceChannelsOp::create(builder, withPhase(getLoc(), backwardPhase), input.getType(),
                                            outputGrads[0], builder.getI64IntegerAttr(offset)));
    offset += shapeOf(input)[1];
  }
  return grads;
}
