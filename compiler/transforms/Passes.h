// The door of the passes on the cnn dialect: cnn-autodiff, cnn-optimizer, cnn-inference.
// In: a module as compiler/README.md has it.  Out: the same module with @train_step, and @predict* in evaluation mode.
#pragma once

#include "compiler/dialect/Cnn.h"
#include "mlir/Pass/Pass.h"

namespace cnnc {

#define GEN_PASS_DECL
#include "compiler/transforms/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "compiler/transforms/Passes.h.inc"

} // namespace cnnc
