// The interface that makes an operation differentiable.
#ifndef CNNC_DIALECT_DIFFERENTIABLE
#define CNNC_DIALECT_DIFFERENTIABLE

include "mlir/IR/OpBase.td"

def Differentiable : OpInterface<"Differentiable"> {
  let cppNamespace = "::cnnc::cnn";
  let description = [{ An operation that builds its own adjoint. A missing rule is an error at the user's line, never a silent zero. }];
  let methods = [InterfaceMethod<
      [{Builds the adjoint behind the builder's insertion point. `outputGrads`: one value a result, null where nothing flows back.
        Returns one gradient an operand, null for operands without one (labels, indices); failure after having emitted an error.}],
      "::mlir::FailureOr<::llvm::SmallVector<::mlir::Value>>", "buildAdjoint",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$outputGrads)>];
}

#endif
