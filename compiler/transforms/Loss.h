// The loss of a training step, out of operations that know their adjoints.
// In: logits (N,K), labels (N) i32 and the module's cnn.loss.  Out: a scalar.
#pragma once

#include "compiler/dialect/Cnn.h"
#include "mlir/IR/BuiltinOps.h"

namespace cnnc {

/// The loss that `module` names: cnn.loss = "cross_entropy" (and where there is none), "mse", "mae", "huber", "bce", "focal", "hinge", with
/// cnn.loss_args, cnn.smoothing and cnn.class_weights. Null after an error.
mlir::Value buildLoss(mlir::ModuleOp module, mlir::OpBuilder &builder, mlir::Location loc, mlir::Value logits, mlir::Value labels);

} // namespace cnnc
