// The stages that every target shares.
// In: the cnn module.  Out: the training step, then linalg on tensors.
#include "compiler/conversion/Conversion.h"
#include "compiler/kernels/Program.h"
#include "compiler/pipeline/Pipeline.h"
#include "compiler/transforms/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace cnnc {
namespace {

struct FuseElementwisePass : PassWrapper<FuseElementwisePass, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FuseElementwisePass)
  StringRef getArgument() const override { return "cnn-fuse-elementwise"; }
  StringRef getDescription() const override { return "Inlines elementwise producers into their consumers, on linalg"; }
  void runOnOperation() override {
    if (!getOperation().isDeclaration())
      fuseElementwise(getOperation());
  }
};

} // namespace

LogicalResult runTraining(ModuleOp module, const PipelineOptions &options) {
  PassManager pm(module.getContext());
  pm.enableVerifier(options.verifyEach);
  pm.addPass(createAutodiff());
  pm.addPass(createOptimizer());
  pm.addPass(createInference());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  return pm.run(module);
}

LogicalResult runToLinalg(ModuleOp module, const PipelineOptions &options) {
  PassManager pm(module.getContext());
  pm.enableVerifier(options.verifyEach);
  pm.addPass(createLayout());
  pm.addPass(createCnnToLinalgPass());
  pm.addPass(createCSEPass());
  pm.addNestedPass<func::FuncOp>(std::make_unique<FuseElementwisePass>());
  pm.addPass(createCSEPass());
  return pm.run(module);
}

void registerPipelinePasses() { PassRegistration<FuseElementwisePass>(); }

} // namespace cnnc
