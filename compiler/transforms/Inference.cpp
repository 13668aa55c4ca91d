// cnn-inference: the evaluation mode.
// In: @predict and @predict_one as irgen makes them.
// Out: batch normalisation with running statistics, no dropout, no softmax: the logits.
#include "compiler/transforms/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace cnnc::cnn;

namespace cnnc {
#define GEN_PASS_DEF_INFERENCE
#include "compiler/transforms/Passes.h.inc"

namespace {
struct Inference : impl::InferenceBase<Inference> {
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
} // namespace

void Inference::runOnOperation() {
  for (auto function : getOperation().getOps<func::FuncOp>())
    if (function.getSymName().starts_with("predict"))
      function.walk([](Operation *op) { chooseEvaluation(op); });
  OpPassManager cleaning(ModuleOp::getOperationName());
  cleaning.addPass(createCanonicalizerPass());
  cleaning.addPass(createCSEPass());
  if (failed(runPipeline(cleaning, getOperation())))
    signalPassFailure();
}

} // namespace cnnc
