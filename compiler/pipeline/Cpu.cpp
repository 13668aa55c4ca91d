// Kernels -> the LLVM dialect, for a CPU.
// In: functions in func, scf, vector, memref, arith, math.  Out: llvm functions with bare pointers.
#include "compiler/pipeline/Pipeline.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace cnnc {
namespace {

/// exp, log, tanh, erf and their like on f32 vectors as polynomials (within a few ulp), and transpositions as shuffles. f64 calls libm.
struct LowerVectorMath : PassWrapper<LowerVectorMath, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerVectorMath)
  StringRef getArgument() const override { return "cnn-lower-vector-math"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<LLVM::LLVMDialect>(); }
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    vector::populateVectorTransposeLoweringPatterns(patterns, vector::VectorTransposeLowering::Shuffle16x16);
    vector::populateVectorBroadcastLoweringPatterns(patterns);
    bool isF32 = false, isF64 = false; // the approximations are single precision: a kernel on vectors of f64 keeps its calls
    getOperation().walk([&](Operation *op) {
      for (Type t : op->getResultTypes()) {
        isF32 |= getElementTypeOrSelf(t).isF32();
        isF64 |= isa<VectorType>(t) && getElementTypeOrSelf(t).isF64();
      }
    });
    if (isF32 && !isF64)
      populateMathPolynomialApproximationPatterns(patterns);
    (void)applyPatternsGreedily(getOperation(), std::move(patterns));
  }
};

} // namespace

LogicalResult runToLlvm(ModuleOp kernels, const PipelineOptions &options) {
  PassManager manager(kernels.getContext());
  manager.enableVerifier(options.verifyEach);
  bool nested = llvm::any_of(kernels.getOps<ModuleOp>(), [](ModuleOp) { return true; });
  OpPassManager &pm = nested ? manager.nest<ModuleOp>() : manager;
  OpPassManager &functions = pm.nest<func::FuncOp>();
  if (options.simplify) {
    functions.addPass(createCanonicalizerPass());
    functions.addPass(createCSEPass());
  }
  functions.addPass(std::make_unique<LowerVectorMath>());
  functions.addPass(arith::createArithExpandOpsPass());
  pm.addPass(createSCFToControlFlowPass());
  // Before vectors: what LLVM has no intrinsic for becomes calls of libm, lane by lane.
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  ConvertVectorToLLVMPassOptions vectors;
  vectors.reassociateFPReductions = true;
  pm.addPass(createConvertVectorToLLVMPass(vectors));
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  ConvertFuncToLLVMPassOptions bare;
  bare.useBarePtrCallConv = true;
  pm.addPass(createConvertFuncToLLVMPass(bare));
  pm.addPass(createReconcileUnrealizedCastsPass());
  return manager.run(kernels);
}

} // namespace cnnc
