// cnn-inference: the evaluation mode.
// In: @predict and @predict_one as irgen makes them.
// Out: batch normalisation with running statistics, folded where asked for, no dropout, no softmax: the logits.
#include "compiler/transforms/Passes.h"

#include "compiler/dialect/Roles.h"
#include "compiler/dialect/Scalars.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace cnnc::cnn;

namespace cnnc {
#define GEN_PASS_DEF_INFERENCE
#include "compiler/transforms/Passes.h.inc"

namespace {
struct Inference : impl::InferenceBase<Inference> {
  using InferenceBase::InferenceBase;
  void runOnOperation() override;
};

void chooseEvaluation(Operation *op) {
  OpBuilder builder(op);
  Value output;
  if (auto norm = dyn_cast<BatchNormOp>(op))
    output = NormalizeOp::create(builder, op->getLoc(), norm.getType(), norm.getInput(), norm.getRunningMean(),
                                 norm.getRunningVar(), norm.getWeight(), norm.getBias(), norm.getEpsAttr());
  else if (isa<DropoutOp, SoftmaxOp>(op))
    output = op->getOperand(0);
  if (!output)
    return;
  op->replaceAllUsesWith(ValueRange(output));
  op->erase();
}

/// The name of a tensor that is an argument of its function; empty for anything else.
StringRef nameOf(Value value) {
  auto argument = dyn_cast_or_null<BlockArgument>(value);
  auto function = argument ? dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp()) : func::FuncOp();
  return function ? argumentName(function, argument.getArgNumber()) : StringRef();
}

/// What y = x + b, one value a channel, adds; null for any other operation.
Value addedBias(Operation *op) {
  auto map = dyn_cast_or_null<MapOp>(op);
  if (!map || map->getNumOperands() != 2 || map->getNumResults() != 1 || !isa<BlockArgument>(map->getOperand(1)))
    return {};
  Block &body = map->getRegion(0).front();
  auto add = dyn_cast<arith::AddFOp>(body.front());
  bool plain = add && add->getNextNode() == body.getTerminator() && add.getLhs() == body.getArgument(0) && add.getRhs() == body.getArgument(1);
  return plain ? map->getOperand(1) : Value();
}

/// normalize(conv(x, w) + b) -> conv(x, w') + shift'. Null where a tensor serves someone else too, or is no argument.
DictionaryAttr fold(NormalizeOp norm) {
  Value input = norm.getInput(), bias = addedBias(input.getDefiningOp());
  Value product = bias ? input.getDefiningOp()->getOperand(0) : input;
  Operation *layer = product.getDefiningOp();
  if (!layer || !isa<ConvOp, DenseOp>(layer) || !product.hasOneUse() || !input.hasOneUse())
    return {};
  Value filter = layer->getOperand(1);
  for (Value tensor : std::initializer_list<Value>{filter, norm.getWeight(), norm.getBias(), norm.getMean(), norm.getVariance(), bias})
    if (tensor && (nameOf(tensor).empty() || !tensor.hasOneUse()))
      return {};
  OpBuilder builder(norm);
  auto text = [&](Value tensor) { return builder.getStringAttr(tensor ? nameOf(tensor) : ""); };
  NamedAttrList record;
  const std::pair<StringRef, Value> tensors[] = {{"filter", filter}, {"bias", bias}, {"scale", Value(norm.getWeight())}, {"shift", Value(norm.getBias())},
                                                 {"mean", Value(norm.getMean())}, {"variance", Value(norm.getVariance())}};
  for (auto [name, tensor] : tensors)
    record.set(name, text(tensor));
  record.set("eps", norm.getEpsAttr());
  auto type = cast<FloatType>(cast<RankedTensorType>(norm.getType()).getElementType());
  auto shifted = MapOp::create(builder, norm.getLoc(), norm.getType(), ValueRange{product, norm.getBias()}, [&](OpBuilder &b, Location loc, ValueRange x) {
    return SmallVector<Value>{Scalars(b, loc, type).add(x[0], x[1])};
  });
  norm.getResult().replaceAllUsesWith(shifted.getResult(0));
  norm.erase();
  return record.getDictionary(builder.getContext());
}
} // namespace

void Inference::runOnOperation() {
  for (auto function : getOperation().getOps<func::FuncOp>())
    if (function.getSymName().starts_with("predict"))
      function.walk([](Operation *op) { chooseEvaluation(op); });
  SmallVector<Attribute> folded;
  for (auto function : getOperation().getOps<func::FuncOp>())
    if (foldNormalization && function.getSymName().starts_with("predict"))
      for (auto norm : llvm::to_vector(function.getOps<NormalizeOp>()))
        if (auto record = fold(norm); record && !llvm::is_contained(folded, record)) // both functions fold alike
          folded.push_back(record);
  if (foldNormalization)
    getOperation()->setAttr("cnn.folded", ArrayAttr::get(&getContext(), folded));
  OpPassManager cleaning(ModuleOp::getOperationName());
  cleaning.addPass(createCanonicalizerPass());
  cleaning.addPass(createCSEPass());
  if (failed(runPipeline(cleaning, getOperation())))
    signalPassFailure();
}

} // namespace cnnc
