// Symbolic derivatives of scalar programs.
// In: the body of a cnn.map.  Out: the same program with the derivatives of its results built behind it.
#pragma once

#include "compiler/dialect/Cnn.h"
#include "mlir/IR/IRMapping.h"

namespace cnnc::cnn {

/// Builds d(yielded values of `body`) / d(argument number `argument`). `copies` maps the arguments of `body`, and all
/// values that its operations compute, to their copies in front of the builder's insertion point. A null value is a
/// derivative that is zero everywhere. Failure after an error at the line of an operation without a rule.
mlir::FailureOr<llvm::SmallVector<mlir::Value>> differentiate(mlir::OpBuilder &builder, mlir::Block &body,
                                                              unsigned argument, const mlir::IRMapping &copies);

} // namespace cnnc::cnn
