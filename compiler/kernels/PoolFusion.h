// Pools and the elementwise programs around them.
// In: linalg on tensors.  Out: which programs a pool takes in, and its gradient as a program that others take in.
#pragma once

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace cnnc {

/// The pool that reads what `use` gives, padded or not; null if something else does.
mlir::linalg::GenericOp poolOf(mlir::OpOperand &use);

/// Whether the kernel of `pool` may compute what `program` makes from pixel to pixel, instead of reading it: an elementwise program of maps and of what
/// belongs to channels, in windows that share few pixels.
bool takesIn(mlir::linalg::GenericOp pool, mlir::linalg::GenericOp program);

/// Puts a program in the place of each gradient of a pool whose readers might take it in. The kernels, which have no readers then.
llvm::SmallVector<mlir::linalg::GenericOp> gatherPools(mlir::Operation *function);

/// Gives kernels back their place where a program has readers still; erases the others.
void endGathering(mlir::Operation *function, llvm::ArrayRef<mlir::linalg::GenericOp> kernels);

} // namespace cnnc
