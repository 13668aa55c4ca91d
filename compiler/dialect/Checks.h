// What the verifiers share. They compare shapes and element types, never encodings.
// In: an operation and its values.  Out: success, or an error that names the value and the numbers.
#pragma once

#include "compiler/dialect/Cnn.h"

namespace cnnc::cnn {

/// A value and the name that messages give it.
struct Named {
  llvm::StringRef name;
  mlir::Value value;
};

llvm::ArrayRef<int64_t> shapeOf(mlir::Value value);
mlir::FloatType floatTypeOf(mlir::Value value); ///< null where the elements are no floats
std::string shapeText(llvm::ArrayRef<int64_t> shape);

/// All are static tensors of one floating-point type.
mlir::LogicalResult checkFloats(mlir::Operation *op, llvm::ArrayRef<Named> values);
mlir::LogicalResult checkRank(mlir::Operation *op, Named value, llvm::ArrayRef<int64_t> ranks);
mlir::LogicalResult checkShape(mlir::Operation *op, Named value, llvm::ArrayRef<int64_t> expected);

/// A window that slides over the two sides of a feature map. pads = top, left, bottom, right.
struct Window {
  llvm::ArrayRef<int64_t> kernel, strides, pads, dilations; ///< dilations may be empty: 1
};
/// The sides of `output` are those that the window makes of `input`; both are (N,C,H,W).
mlir::LogicalResult checkWindow(mlir::Operation *op, const Window &window, Named input, Named output);

} // namespace cnnc::cnn
