// The stages that every target shares.
// In: the cnn module.  Out: the training step, then linalg on tensors.
#include "compiler/conversion/Conversion.h"
#include "compiler/kernels/Program.h"
#include "compiler/kernels/Recompute.h"
#include "compiler/pipeline/Pipeline.h"
#include "compiler/transforms/Passes.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
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

struct NarrowStoragePass : PassWrapper<NarrowStoragePass, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(NarrowStoragePass)
  StringRef getArgument() const override { return "cnn-narrow-storage"; }
  StringRef getDescription() const override { return "Stores feature maps and their gradients as bf16, on fused linalg of f32"; }
  void runOnOperation() override {
    if (!getOperation().isDeclaration())
      narrowStorage(getOperation());
  }
};

/// The last step before LLVM as a pass, for tests: --emit=loops does the same.
struct LowerToKernelsPass : PassWrapper<LowerToKernelsPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerToKernelsPass)
  LowerToKernelsPass() = default;
  LowerToKernelsPass(const LowerToKernelsPass &other) : PassWrapper(other) {}
  Option<int64_t> maxArena{*this, "max-arena", llvm::cl::desc("bytes: what is read late is made again where a function's arena is larger"), llvm::cl::init(0)};
  StringRef getArgument() const override { return "cnn-lower-to-kernels"; }
  StringRef getDescription() const override {
    return "Turns functions of linalg into kernels for AVX-512; the launches are listed in the module's attribute cnn.<function>";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<scf::SCFDialect, memref::MemRefDialect, vector::VectorDialect>();
  }
  void runOnOperation() override {
    ModuleOp module = getOperation();
    TargetInfo target;
    KernelCache cache;
    SmallVector<func::FuncOp> functions;
    for (auto f : module.getOps<func::FuncOp>())
      if (f.getNumArguments() && f.getArgAttr(0, "cnn.role"))
        functions.push_back(f);
    for (func::FuncOp f : functions) {
      auto program = lowerToKernels(f, module, cache, target);
      if (failed(program))
        return signalPassFailure();
      if (maxArena)
        recompute(*program, maxArena, target.chainBytes);
      SmallVector<Attribute> launches;
      for (const Launch &l : program->launches)
        launches.push_back(StringAttr::get(&getContext(), l.layer + " " + l.what + " " + l.kernel + " x" + std::to_string(l.pieces) + (l.piecesOfUnit ? " by " + std::to_string(l.piecesOfUnit) : "")));
      module->setAttr("cnn." + program->name, ArrayAttr::get(&getContext(), launches));
      module->setAttr("cnn." + program->name + "_bytes", IntegerAttr::get(IntegerType::get(&getContext(), 64), program->arenaBytes));
      f.erase();
    }
  }
};

} // namespace

LogicalResult runTraining(ModuleOp module, const PipelineOptions &options) {
  PassManager pm(module.getContext());
  pm.enableVerifier(options.verifyEach);
  pm.addPass(createAutodiff());
  pm.addPass(createOptimizer());
  pm.addPass(createInference({options.fold}));
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
  if (options.narrow)
    pm.addNestedPass<func::FuncOp>(std::make_unique<NarrowStoragePass>());
  return pm.run(module);
}

void registerPipelinePasses() {
  PassRegistration<FuseElementwisePass>();
  PassRegistration<NarrowStoragePass>();
  PassRegistration<LowerToKernelsPass>();
}

} // namespace cnnc
