// Kernels -> the LLVM dialect, for a CPU.
// In: functions in func, scf, vector, memref, arith, math.  Out: llvm functions with bare pointers.
#include "compiler/pipeline/Pipeline.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MathToLibm/MathToLibm.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/Transforms/LoweringPatterns.h"
#include "mlir/Dialect/Vector/Transforms/VectorRewritePatterns.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace cnnc {
namespace {

/// Vectors in the forms that LLVM has: exp, log, tanh, erf and their like on f32 vectors as polynomials (within a few ulp), while f64 calls libm;
/// transpositions as shuffles, masks and slices by what they are made of; integer operations that LLVM lacks.
struct LowerVectors : PassWrapper<LowerVectors, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerVectors)
  StringRef getArgument() const override { return "cnn-lower-vectors"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<LLVM::LLVMDialect>(); }
  LogicalResult initialize(MLIRContext *context) override { // once for all kernels
    auto freeze = [&](bool approximates) {
      RewritePatternSet patterns(context);
      vector::populateVectorToVectorCanonicalizationPatterns(patterns);
      vector::populateVectorBitCastLoweringPatterns(patterns);
      vector::populateVectorBroadcastLoweringPatterns(patterns);
      vector::populateVectorMaskOpLoweringPatterns(patterns);
      vector::populateVectorShapeCastLoweringPatterns(patterns);
      vector::populateVectorInterleaveLoweringPatterns(patterns);
      vector::populateVectorTransposeLoweringPatterns(patterns, vector::VectorTransposeLowering::Shuffle16x16);
      vector::populateVectorMaskMaterializationPatterns(patterns, /*force32BitVectorIndices=*/true);
      vector::populateVectorInsertExtractStridedSliceTransforms(patterns);
      vector::populateVectorStepLoweringPatterns(patterns);
      arith::populateArithExpandOpsPatterns(patterns);
      if (approximates)
        populateMathPolynomialApproximationPatterns(patterns);
      return FrozenRewritePatternSet(std::move(patterns));
    };
    exact = freeze(false), approximate = freeze(true);
    return success();
  }
  void runOnOperation() override {
    bool isF32 = false, isF64 = false; // the approximations are single precision: a kernel on vectors of f64 keeps its calls
    getOperation().walk([&](Operation *op) {
      for (Type t : op->getResultTypes()) {
        isF32 |= getElementTypeOrSelf(t).isF32();
        isF64 |= isa<VectorType>(t) && getElementTypeOrSelf(t).isF64();
      }
    });
    (void)applyPatternsGreedily(getOperation(), isF32 && !isF64 ? approximate : exact);
  }
  FrozenRewritePatternSet exact, approximate;
};

/// Everything to the LLVM dialect in one conversion: each pass of its own would walk all operations, and leave casts between each other's types.
struct ConvertToLlvm : PassWrapper<ConvertToLlvm, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ConvertToLlvm)
  StringRef getArgument() const override { return "cnn-convert-to-llvm"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<LLVM::LLVMDialect>(); }
  LogicalResult initialize(MLIRContext *context) override { // once for all kernels
    LowerToLLVMOptions options(context);
    options.useBarePtrCallConv = true;
    converter = std::make_shared<LLVMTypeConverter>(context, options);
    RewritePatternSet set(context);
    populateVectorToLLVMConversionPatterns(*converter, set, /*reassociateFPReductions=*/true, /*force32BitVectorIndices=*/true);
    populateMathToLLVMConversionPatterns(*converter, set, /*approximateLog1p=*/true, /*benefit=*/2);
    populateMathToLibmConversionPatterns(set); // what LLVM has no intrinsic for, lane by lane
    populateFinalizeMemRefToLLVMConversionPatterns(*converter, set);
    arith::populateArithToLLVMConversionPatterns(*converter, set);
    index::populateIndexToLLVMConversionPatterns(*converter, set);
    cf::populateControlFlowToLLVMConversionPatterns(*converter, set);
    ub::populateUBToLLVMConversionPatterns(*converter, set);
    populateFuncToLLVMConversionPatterns(*converter, set);
    patterns = std::move(set);
    return success();
  }
  void runOnOperation() override {
    LLVMConversionTarget target(getContext());
    target.addLegalOp<ModuleOp>();
    if (failed(applyFullConversion(getOperation(), target, patterns)))
      signalPassFailure();
  }
  std::shared_ptr<LLVMTypeConverter> converter;
  FrozenRewritePatternSet patterns;
};

} // namespace

LogicalResult runToLlvm(ModuleOp kernels, const PipelineOptions &options) {
  PassManager manager(kernels.getContext());
  manager.enableVerifier(options.verifyEach);
  bool nested = llvm::any_of(kernels.getOps<ModuleOp>(), [](ModuleOp) { return true; });
  OpPassManager &pm = nested ? manager.nest<ModuleOp>() : manager;
  OpPassManager &functions = pm.nest<func::FuncOp>();
  functions.addPass(createCSEPass()); // addresses above all: half of the operations, which all that follows need not look at; LLVM folds
  functions.addPass(std::make_unique<LowerVectors>());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(std::make_unique<ConvertToLlvm>());
  return manager.run(kernels);
}

} // namespace cnnc
