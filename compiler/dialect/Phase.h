// Where an operation comes from: loc("forward"("conv1"("lenet.cnn":4:3))), phase and layer around the line of the
// program. In: a location.  Out: its phase, its layer, or the same place in another phase.
#pragma once

#include "mlir/IR/Location.h"

namespace cnnc {

inline constexpr llvm::StringLiteral forwardPhase = "forward", backwardPhase = "backward", updatePhase = "update";

/// `loc` with the phase replaced, or put around it where it has none.
mlir::Location withPhase(mlir::Location loc, llvm::StringRef phase);
/// "forward", "backward", "update", or empty.
llvm::StringRef phaseOf(mlir::Location loc);
/// The layer's name, "conv1"; empty where there is none. Of a fused location, the first one that has a layer.
llvm::StringRef layerOf(mlir::Location loc);

} // namespace cnnc
