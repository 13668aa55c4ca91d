// Lists of passes, as functions.
// In: a module.  Out: the module after the passes; failure after messages have been emitted.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace cnnc {

struct PipelineOptions {
  bool verifyEach = false; ///< check the IR after every pass
  bool narrow = false;     ///< feature maps are stored as bf16
  bool fold = false;       ///< batch normalisation into the layers before it, in @predict*
};

/// @forward, @predict* (cnn) -> @train_step, @predict* (cnn), differentiated, with the optimiser's step.
mlir::LogicalResult runTraining(mlir::ModuleOp module, const PipelineOptions &options);
/// cnn -> linalg on tensors, elementwise programs fused.
mlir::LogicalResult runToLinalg(mlir::ModuleOp module, const PipelineOptions &options);
/// Kernels in func, scf, vector, memref -> the LLVM dialect. A module of modules is lowered module by module, on all threads of its context.
mlir::LogicalResult runToLlvm(mlir::ModuleOp kernels, const PipelineOptions &options);

void registerPipelinePasses();

} // namespace cnnc
