// The door of irgen: the checked program as a cnn module.
// In: a Network.  Out: @forward, @predict, @predict_one, @optimizer, @schedule as compiler/README.md has them, every
// operation with its line.
#pragma once

#include "compiler/frontend/Network.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace cnnc {

/// Null after an error through the context's diagnostics.
mlir::OwningOpRef<mlir::ModuleOp> generate(const Network &network, mlir::MLIRContext &context);

} // namespace cnnc
