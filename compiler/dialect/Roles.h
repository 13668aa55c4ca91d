// What the arguments and results of a module's functions are: the attributes cnn.role and cnn.name
// (compiler/README.md). In: a function and a number.  Out: the text; empty where there is none.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace cnnc {

inline llvm::StringRef textOf(mlir::Attribute attribute) {
  auto text = llvm::dyn_cast_or_null<mlir::StringAttr>(attribute);
  return text ? text.getValue() : llvm::StringRef();
}
inline llvm::StringRef argumentRole(mlir::func::FuncOp function, unsigned i) {
  return textOf(function.getArgAttr(i, "cnn.role"));
}
inline llvm::StringRef argumentName(mlir::func::FuncOp function, unsigned i) {
  return textOf(function.getArgAttr(i, "cnn.name"));
}
inline llvm::StringRef resultRole(mlir::func::FuncOp function, unsigned i) {
  return textOf(function.getResultAttr(i, "cnn.role"));
}
inline llvm::StringRef resultName(mlir::func::FuncOp function, unsigned i) {
  return textOf(function.getResultAttr(i, "cnn.name"));
}

/// `@norm(x) -> T`, which @optimizer calls: the root of the sum of x^2 over all elements of the tensor that is updated. It has no body.
constexpr llvm::StringLiteral normFunction = "norm";

} // namespace cnnc
