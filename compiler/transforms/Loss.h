// The loss of a training step, out of operations that know their adjoints.
// In: logits (N,K), labels (N) i32, for mixed samples a second label and the share (N,1) of the first, and the module's cnn.loss.  Out: a scalar.
#pragma once

#include "compiler/dialect/Cnn.h"
#include "mlir/IR/BuiltinOps.h"

namespace cnnc {

/// What the logits are to become. With a second label a sample's loss is mix L(labels) + (1 - mix) L(secondLabels).
struct LossTargets {
  mlir::Value labels;            ///< (N) i32
  mlir::Value secondLabels, mix; ///< (N) i32, (N,1); or both null
};

/// The loss that `module` names: cnn.loss = "cross_entropy" (and where there is none), "mse", "mae", "huber", "bce", "focal", "hinge", with
/// cnn.loss_args, cnn.smoothing and cnn.class_weights. Null after an error.
mlir::Value buildLoss(mlir::ModuleOp module, mlir::OpBuilder &builder, mlir::Location loc, mlir::Value logits, const LossTargets &targets);

} // namespace cnnc
