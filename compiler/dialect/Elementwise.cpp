// cnn.map, the sums that answer its broadcasts, and dropout: checks, simplification, adjoints.
// In: cnn.map, sum_to, dropout, dropout_train.  Out: errors with numbers; the operations of the adjoints.
#include "compiler/dialect/Checks.h"
#include "compiler/dialect/Derivative.h"
#include "compiler/dialect/Scalars.h"

#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace cnnc;
using namespace cnnc::cnn;

// ---- cnn.map ----

/// Whether an operand of this shape may stand for one of `full` (CnnOps.td lists the forms).
static bool broadcasts(ArrayRef<int64_t> shape, ArrayRef<int64_t> full) {
  if (shape == full || shape.empty() || shape == ArrayRef<int64_t>{1})
    return true;
  if (full.size() != 2 && full.size() != 4)
    return false;
  if (shape.size() == 1)
    return shape[0] == full[1];
  if (full.size() == 2)
    return shape == ArrayRef<int64_t>{full[0], 1};
  return full.size() == 4 && shape == ArrayRef<int64_t>{full[0], full[1], 1, 1};
}

void MapOp::build(OpBuilder &builder, OperationState &state, TypeRange outputs, ValueRange inputs,
                  llvm::function_ref<SmallVector<Value>(OpBuilder &, Location, ValueRange)> body) {
  state.addOperands(inputs);
  state.addTypes(outputs);
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(state.addRegion());
  for (Value input : inputs)
    block->addArgument(cast<RankedTensorType>(input.getType()).getElementType(), state.location);
  YieldOp::create(builder, state.location, body(builder, state.location, block->getArguments()));
}

LogicalResult MapOp::verify() {
  if (getOutputs().empty())
    return emitOpError() << "has no result";
  ArrayRef<int64_t> full = shapeOf(getOutputs().front());
  for (Value output : getOutputs())
    if (failed(checkShape(*this, {"result", output}, full)))
      return failure();
  for (auto [i, input] : llvm::enumerate(getInputs()))
    if (!broadcasts(shapeOf(input), full))
      return emitOpError() << "operand " << i << " has shape " << shapeText(shapeOf(input))
                           << ", which does not broadcast to " << shapeText(full);
  Block &block = getBody().front();
  if (block.getNumArguments() != getInputs().size())
    return emitOpError() << "body has " << block.getNumArguments() << " arguments, expected " << getInputs().size();
  for (auto [i, argument, input] : llvm::enumerate(block.getArguments(), getInputs()))
    if (Type element = cast<RankedTensorType>(input.getType()).getElementType(); argument.getType() != element)
      return emitOpError() << "argument " << i << " of the body is " << argument.getType() << ", expected " << element;
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield)
    return emitOpError() << "body must end with cnn.yield";
  if (yield.getValues().size() != getOutputs().size())
    return emitOpError() << "body yields " << yield.getValues().size() << " values, expected " << getOutputs().size();
  for (auto [i, value, output] : llvm::enumerate(yield.getValues(), getOutputs()))
    if (Type element = cast<RankedTensorType>(output.getType()).getElementType(); value.getType() != element)
      return emitOpError() << "yielded value " << i << " is " << value.getType() << ", expected " << element;
  for (Operation &op : block.without_terminator())
    if (!op.getDialect() || !isa<arith::ArithDialect, math::MathDialect>(op.getDialect()))
      return op.emitOpError() << "cannot stand in cnn.map: only arith and math can";
  return success();
}

/// The gradient of one operand: sum over results of dy * dresult/doperand, of the shape of the results. Null where it
/// is zero.
static FailureOr<Value> buildMapGradient(MapOp map, OpBuilder &builder, ValueRange outputGrads, unsigned operand) {
  SmallVector<Value> inputs;
  SmallVector<unsigned> flowing; // numbers of the results that have a gradient
  for (auto [i, grad] : llvm::enumerate(outputGrads))
    if (grad) {
      inputs.push_back(grad);
      flowing.push_back(i);
    }
  llvm::append_range(inputs, map.getInputs());
  auto element = cast<FloatType>(cast<RankedTensorType>(map.getInputs()[operand].getType()).getElementType());
  auto type = cast<RankedTensorType>(outputGrads[flowing[0]].getType()).clone(element);
  bool ok = true, zero = false;
  unsigned passed = ~0u; // the gradient that comes through as it is
  auto gradient = MapOp::create(builder, withPhase(map.getLoc(), backwardPhase), type, inputs,
                                [&](OpBuilder &builder, Location loc, ValueRange arguments) -> SmallVector<Value> {
                                  Scalars s(builder, loc, element);
                                  IRMapping copies;
                                  Block &body = map.getBody().front();
                                  copies.map(body.getArguments(), arguments.drop_front(flowing.size()));
                                  for (Operation &op : body.without_terminator())
                                    builder.clone(op, copies)->setLoc(withPhase(op.getLoc(), backwardPhase));
                                  Value sum;
                                  auto derivatives = differentiate(builder, body, operand, copies);
                                  if ((ok = succeeded(derivatives)))
                                    for (auto [i, result] : llvm::enumerate(flowing))
                                      if (Value d = (*derivatives)[result]) {
                                        Value flow = s.mul(arguments[i], d);
                                        sum = sum ? s.add(sum, flow) : flow;
                                      }
                                  zero = !sum;
                                  auto argument = dyn_cast_or_null<BlockArgument>(sum);
                                  if (argument && argument.getArgNumber() < flowing.size())
                                    passed = argument.getArgNumber();
                                  return {sum ? sum : s.number(0)};
                                });
  Value value = gradient.getResult(0);
  if (!ok || zero || passed != ~0u) {
    value = ok && !zero ? inputs[passed] : Value();
    gradient.erase();
  }
  if (!ok)
    return failure();
  return value;
}

FailureOr<SmallVector<Value>> MapOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  SmallVector<Value> grads;
  for (auto [i, input] : llvm::enumerate(getInputs())) {
    grads.push_back(Value());
    if (!floatTypeOf(input) || getBody().getArgument(i).use_empty())
      continue;
    FailureOr<Value> grad = buildMapGradient(*this, builder, outputGrads, i);
    if (failed(grad))
      return failure();
    if (*grad && (*grad).getType() != input.getType())
      *grad = SumToOp::create(builder, withPhase(getLoc(), backwardPhase), input.getType(), *grad);
    grads.back() = *grad;
  }
  return grads;
}

namespace {
/// Operands that are not read, or read twice, go.
struct DropOperands : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    Block &body = map.getBody().front();
    for (unsigned i = map.getInputs().size(); i-- > 0;) {
      unsigned first = llvm::find(map.getInputs(), map.getInputs()[i]) - map.getInputs().begin();
      if (first == i && !body.getArgument(i).use_empty())
        continue;
      rewriter.modifyOpInPlace(map, [&] {
        if (first != i)
          body.getArgument(i).replaceAllUsesWith(body.getArgument(first));
        body.eraseArgument(i);
        map.getInputsMutable().erase(i);
      });
      return success();
    }
    return failure();
  }
};

/// Results that are an operand as it is are that operand; results that nothing uses go.
struct DropResults : OpRewritePattern<MapOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MapOp map, PatternRewriter &rewriter) const override {
    auto yield = cast<YieldOp>(map.getBody().front().getTerminator());
    SmallVector<Value> replacements, kept;
    SmallVector<Type> types;
    for (auto [value, output] : llvm::zip_equal(yield.getValues(), map.getOutputs())) {
      auto argument = dyn_cast<BlockArgument>(value);
      Value input = argument ? map.getInputs()[argument.getArgNumber()] : Value();
      replacements.push_back(input && input.getType() == output.getType() ? input : Value());
      if (replacements.back() || output.use_empty())
        continue;
      kept.push_back(value);
      types.push_back(output.getType());
    }
    if (kept.size() == map.getOutputs().size() || (kept.empty() && map->use_empty()))
      return failure();
    if (!kept.empty()) {
      auto smaller = MapOp::create(rewriter, map.getLoc(), types, map.getInputs());
      rewriter.modifyOpInPlace(yield, [&] { yield.getValuesMutable().assign(kept); });
      rewriter.inlineRegionBefore(map.getBody(), smaller.getBody(), smaller.getBody().end());
      unsigned next = 0;
      for (auto [replacement, output] : llvm::zip_equal(replacements, map.getOutputs()))
        if (!replacement && !output.use_empty())
          replacement = smaller.getResult(next++);
    }
    for (auto [replacement, output] : llvm::zip_equal(replacements, map.getOutputs()))
      if (replacement)
        rewriter.replaceAllUsesWith(output, replacement);
    rewriter.eraseOp(map);
    return success();
  }
};
} // namespace

void MapOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<DropOperands, DropResults>(context);
}

// ---- sum_to ----

LogicalResult SumToOp::verify() {
  if (failed(checkFloats(*this, {{"input", getInput()}, {"output", getOutput()}})))
    return failure();
  if (broadcasts(shapeOf(getOutput()), shapeOf(getInput())))
    return success();
  return emitOpError() << "cannot sum " << shapeText(shapeOf(getInput())) << " to " << shapeText(shapeOf(getOutput()));
}

OpFoldResult SumToOp::fold(FoldAdaptor) { return getInput().getType() == getType() ? getInput() : Value(); }

// dx = dy, broadcast
FailureOr<SmallVector<Value>> SumToOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  auto spread = MapOp::create(builder, withPhase(getLoc(), backwardPhase), getInput().getType(), outputGrads[0],
                              [](OpBuilder &, Location, ValueRange x) { return SmallVector<Value>{x[0]}; });
  return SmallVector<Value>{spread.getResult(0)};
}

// ---- dropout ----

template <typename Op> static LogicalResult checkDropout(Op op) {
  Named output{"output", op.getOutput()};
  if (failed(checkFloats(op, {{"input", op.getInput()}, output})) || failed(checkRank(op, output, {2, 4})))
    return failure();
  double p = op.getP().convertToDouble();
  if (!(p >= 0 && p < 1))
    return op.emitOpError() << "p = " << p << " must be at least 0 and less than 1";
  return checkShape(op, output, shapeOf(op.getInput()));
}

LogicalResult DropoutOp::verify() { return checkDropout(*this); }
LogicalResult DropoutTrainOp::verify() {
  auto rng = cast<RankedTensorType>(getRng().getType());
  if (!rng.getElementType().isInteger(32))
    return emitOpError() << "rng must have elements of type i32, has " << rng.getElementType();
  if (failed(checkShape(*this, {"rng", getRng()}, {4})))
    return failure();
  return checkDropout(*this);
}

OpFoldResult DropoutOp::fold(FoldAdaptor) {
  return getP().isZero() && getInput().getType() == getType() ? getInput() : Value();
}

// dx = dy * keep / (1-p): the same cells, drawn again
FailureOr<SmallVector<Value>> DropoutTrainOp::buildAdjoint(OpBuilder &builder, ValueRange outputGrads) {
  return SmallVector<Value>{DropoutTrainOp::create(builder, withPhase(getLoc(), backwardPhase), getInput().getType(),
                                                   outputGrads[0], getRng(), getPAttr(), getSpatialAttr(),
                                                   getStreamAttr(), getPerSampleAttr()),
                            Value()};
}
