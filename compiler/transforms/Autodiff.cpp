// cnn-autodiff: the training step out of the network.
// In: @forward(x, tensors...) -> logits.
// Out: @train_step(x, labels, rng, lr, step, tensors...) -> loss, logits, gradients..., updated statistics...; with cnn.mixed
// second_labels (N) i32 and mix (N,1) stand behind step.
#include "compiler/transforms/Passes.h"

#include "compiler/dialect/Roles.h"
#include "compiler/dialect/Scalars.h"
#include "compiler/transforms/Loss.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace cnnc::cnn;

namespace cnnc {
#define GEN_PASS_DEF_AUTODIFF
#include "compiler/transforms/Passes.h.inc"

namespace {
/// Arguments of @train_step between x and the tensors.
enum Argument : unsigned { InputArgument, LabelsArgument, RngArgument, RateArgument, StepArgument, FirstTensor, SecondLabelsArgument = FirstTensor, MixArgument };

struct Autodiff : impl::AutodiffBase<Autodiff> {
  void runOnOperation() override;

  LogicalResult checkForward(func::FuncOp forward);
  void insertArguments(func::FuncOp step);
  LogicalResult expandBatchNorm(BatchNormOp op);
  void expandDropout(DropoutOp op, Value rng);
  Value appendLoss(func::FuncOp step);
  LogicalResult walkBackwards(func::FuncOp step, Value loss);
  void flow(OpBuilder &builder, Operation *user, Value value, Value gradient);
  void appendResults(func::FuncOp step, Value loss);

  DenseMap<Value, Value> gradients;
  DenseMap<Value, Value> updates; ///< of statistics
};

/// A scalar program on all elements of tensors of one shape.
Value mapElements(OpBuilder &builder, Location loc, ValueRange inputs,
                  llvm::function_ref<Value(Scalars &, ValueRange)> body) {
  auto type = cast<RankedTensorType>(inputs[0].getType());
  auto map = MapOp::create(builder, loc, type, inputs, [&](OpBuilder &builder, Location loc, ValueRange x) {
    Scalars s(builder, loc, cast<FloatType>(type.getElementType()));
    return SmallVector<Value>{body(s, x)};
  });
  return map.getResult(0);
}
} // namespace

LogicalResult Autodiff::checkForward(func::FuncOp forward) {
  if (!forward || forward.isExternal())
    return getOperation().emitError() << "has no @forward to differentiate";
  if (!llvm::hasSingleElement(forward.getBody()) || forward.getNumArguments() == 0 || forward.getNumResults() != 1)
    return forward.emitError() << "must have one block, the input as its first argument and the logits as its result";
  for (unsigned i = 0; i < forward.getNumArguments(); ++i)
    if (auto type = dyn_cast<RankedTensorType>(forward.getArgument(i).getType());
        !type || !isa<FloatType>(type.getElementType()) || argumentRole(forward, i).empty())
      return forward.emitError() << "argument " << i << " must be a tensor of floats with a cnn.role";
  auto logits = dyn_cast<RankedTensorType>(forward.getResultTypes()[0]);
  if (!logits || logits.getRank() != 2)
    return forward.emitError() << "must return logits of rank 2, returns " << forward.getResultTypes()[0];
  return success();
}

void Autodiff::insertArguments(func::FuncOp step) {
  auto *context = &getContext();
  auto logits = cast<RankedTensorType>(step.getResultTypes()[0]);
  auto i32 = IntegerType::get(context, 32);
  auto scalar = RankedTensorType::get({}, logits.getElementType());
  auto insert = [&](unsigned index, Type type, StringRef role) {
    auto attributes = DictionaryAttr::get(context, NamedAttribute("cnn.role", StringAttr::get(context, role)));
    (void)step.insertArgument(index, type, attributes, step.getLoc());
  };
  insert(LabelsArgument, RankedTensorType::get({logits.getDimSize(0)}, i32), "labels");
  insert(RngArgument, RankedTensorType::get({4}, i32), "rng");
  insert(RateArgument, scalar, "lr");
  insert(StepArgument, scalar, "step");
  if (!getOperation()->hasAttr("cnn.mixed"))
    return;
  insert(SecondLabelsArgument, RankedTensorType::get({logits.getDimSize(0)}, i32), "second_labels");
  insert(MixArgument, RankedTensorType::get({logits.getDimSize(0), 1}, logits.getElementType()), "mix");
}

// running = (1-momentum)*running + momentum*batch, the batch's variance with the factor M/(M-1), M = N*H*W, as PyTorch
// has it.
LogicalResult Autodiff::expandBatchNorm(BatchNormOp op) {
  OpBuilder builder(op);
  Location update = withPhase(op.getLoc(), updatePhase);
  auto type = cast<RankedTensorType>(op.getInput().getType());
  int64_t count = type.getNumElements() / type.getDimSize(1);
  if (count < 2)
    return op.emitError() << "batch normalisation needs more than one value a channel to train, has " << count;
  auto stats = BatchStatsOp::create(builder, op.getLoc(), op.getRunningMean().getType(), op.getRunningVar().getType(),
                                    op.getInput());
  Value output = NormalizeOp::create(builder, op.getLoc(), op.getType(), op.getInput(), stats.getMean(),
                                     stats.getVariance(), op.getWeight(), op.getBias(), op.getEpsAttr());
  double momentum = op.getMomentum().convertToDouble();
  auto running = [&](Value old, Value batch, double factor) {
    updates[old] = mapElements(builder, update, {old, batch}, [&](Scalars &s, ValueRange x) {
      return s.add(s.mul(s.number(1 - momentum), x[0]), s.mul(s.number(momentum * factor), x[1]));
    });
  };
  running(op.getRunningMean(), stats.getMean(), 1);
  running(op.getRunningVar(), stats.getVariance(), double(count) / double(count - 1));
  op.replaceAllUsesWith(output);
  op.erase();
  return success();
}

void Autodiff::expandDropout(DropoutOp op, Value rng) {
  OpBuilder builder(op);
  Value output = DropoutTrainOp::create(builder, op.getLoc(), op.getType(), op.getInput(), rng, op.getPAttr(),
                                        op.getSpatialAttr(), op.getStreamAttr(), op.getPerSampleAttr());
  op.replaceAllUsesWith(output);
  op.erase();
}

/// The loss of the logits, which are the operand of the softmax if there is one.
Value Autodiff::appendLoss(func::FuncOp step) {
  auto end = cast<func::ReturnOp>(step.getBody().front().getTerminator());
  Value logits = end.getOperand(0);
  Location loc = end.getLoc();
  if (auto softmax = logits.getDefiningOp<SoftmaxOp>()) {
    loc = softmax.getLoc();
    logits = softmax.getInput();
    end.setOperand(0, logits);
    if (softmax->use_empty())
      softmax.erase();
  }
  OpBuilder builder(end);
  LossTargets targets{step.getArgument(LabelsArgument), {}, {}};
  if (getOperation()->hasAttr("cnn.mixed"))
    targets.secondLabels = step.getArgument(SecondLabelsArgument), targets.mix = step.getArgument(MixArgument);
  return buildLoss(getOperation(), builder, withPhase(loc, forwardPhase), logits, targets);
}

/// Adds what flows back to `value` from one of its users.
void Autodiff::flow(OpBuilder &builder, Operation *user, Value value, Value gradient) {
  Value &sum = gradients[value];
  if (!sum) {
    sum = gradient;
    return;
  }
  Location loc = withPhase(user->getLoc(), backwardPhase);
  sum = mapElements(builder, loc, {sum, gradient}, [](Scalars &s, ValueRange x) { return s.add(x[0], x[1]); });
}

LogicalResult Autodiff::walkBackwards(func::FuncOp step, Value loss) {
  DenseSet<Value> active; // what depends on a parameter
  for (unsigned i = FirstTensor; i < step.getNumArguments(); ++i)
    if (argumentRole(step, i) == "parameter")
      active.insert(step.getArgument(i));
  SmallVector<Operation *> forward;
  for (Operation &op : step.getBody().front().without_terminator())
    if (llvm::any_of(op.getOperands(), [&](Value operand) { return active.contains(operand); })) {
      active.insert(op.result_begin(), op.result_end());
      forward.push_back(&op);
    }
  OpBuilder builder(step.getBody().front().getTerminator());
  auto scalar = cast<RankedTensorType>(loss.getType());
  auto one = DenseElementsAttr::get(scalar, builder.getFloatAttr(scalar.getElementType(), 1));
  gradients[loss] = arith::ConstantOp::create(builder, withPhase(loss.getLoc(), backwardPhase), one);
  for (Operation *op : llvm::reverse(forward)) {
    SmallVector<Value> outputGrads;
    for (Value result : op->getResults())
      outputGrads.push_back(gradients.lookup(result));
    if (llvm::none_of(outputGrads, [](Value grad) { return bool(grad); }))
      continue;
    auto layer = dyn_cast<Differentiable>(op);
    if (!layer)
      return op->emitError() << "no rule for the derivative of " << op->getName();
    auto inputGrads = layer.buildAdjoint(builder, outputGrads);
    if (failed(inputGrads))
      return failure();
    for (auto [operand, gradient] : llvm::zip_equal(op->getOperands(), *inputGrads))
      if (gradient && active.contains(operand))
        flow(builder, op, operand, gradient);
  }
  return success();
}

void Autodiff::appendResults(func::FuncOp step, Value loss) {
  auto end = cast<func::ReturnOp>(step.getBody().front().getTerminator());
  OpBuilder builder(end);
  SmallVector<Value> values;
  SmallVector<Attribute> attributes;
  auto append = [&](Value value, StringRef role, StringAttr name) {
    NamedAttrList list;
    list.set("cnn.role", builder.getStringAttr(role));
    if (name)
      list.set("cnn.name", name);
    values.push_back(value);
    attributes.push_back(list.getDictionary(&getContext()));
  };
  append(loss, "loss", {});
  append(end.getOperand(0), "logits", {});
  SmallVector<unsigned> statistics;
  for (unsigned i = FirstTensor; i < step.getNumArguments(); ++i) {
    Value tensor = step.getArgument(i), gradient = gradients.lookup(tensor);
    if (argumentRole(step, i) == "statistic")
      statistics.push_back(i);
    if (argumentRole(step, i) != "parameter")
      continue;
    if (!gradient) // the loss does not depend on it
      gradient = arith::ConstantOp::create(builder, withPhase(end.getLoc(), backwardPhase),
                                           cast<TypedAttr>(builder.getZeroAttr(tensor.getType())));
    append(gradient, "gradient", step.getArgAttrOfType<StringAttr>(i, "cnn.name"));
  }
  for (unsigned i : statistics) {
    Value tensor = step.getArgument(i), update = updates.lookup(tensor);
    append(update ? update : tensor, "update", step.getArgAttrOfType<StringAttr>(i, "cnn.name"));
  }
  end->setOperands(values);
  step.setType(builder.getFunctionType(step.getArgumentTypes(), ValueRange(values).getTypes()));
  step.setResAttrsAttr(builder.getArrayAttr(attributes));
}

void Autodiff::runOnOperation() {
  gradients.clear();
  updates.clear();
  auto step = getOperation().lookupSymbol<func::FuncOp>("forward");
  if (failed(checkForward(step)))
    return signalPassFailure();
  step.setSymName("train_step");
  insertArguments(step);
  for (Operation &op : llvm::make_early_inc_range(step.getBody().front())) {
    if (auto norm = dyn_cast<BatchNormOp>(op)) {
      if (failed(expandBatchNorm(norm)))
        return signalPassFailure();
    } else if (auto dropout = dyn_cast<DropoutOp>(op)) {
      expandDropout(dropout, step.getArgument(RngArgument));
    }
  }
  Value loss = appendLoss(step);
  if (!loss || failed(walkBackwards(step, loss)))
    return signalPassFailure();
  appendResults(step, loss);
  OpPassManager cleaning(ModuleOp::getOperationName());
  cleaning.addPass(createCanonicalizerPass());
  cleaning.addPass(createCSEPass());
  if (failed(runPipeline(cleaning, getOperation())))
    signalPassFailure();
}

} // namespace cnnc
