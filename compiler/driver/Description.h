// The description of a model that its trainer carries (runtime/abi.h).
// In: Network, the tensors of @train_step.  Out: JSON.
#pragma once

#include "compiler/driver/Compile.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace cnnc {

/// `module` holds @train_step, whose arguments name the tensors and, after cnn-layout, the blocks of filters.
std::string describe(const Network &network, const CompileOptions &options, mlir::ModuleOp module, const std::string &cpu);

} // namespace cnnc
