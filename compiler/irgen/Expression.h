// Scalar programs of the language (activations, optimisers, schedules) as arith and math.
// In: a ScalarExpr and the values of its variables.  Out: a scalar value.
#pragma once

#include "compiler/dialect/Scalars.h"
#include "compiler/frontend/Network.h"

#include "llvm/ADT/StringMap.h"

namespace cnnc {

using Variables = llvm::StringMap<mlir::Value>;

/// Builds expressions at one place with one set of variables; a subexpression that several share is built once.
class ExpressionBuilder {
public:
  ExpressionBuilder(mlir::OpBuilder &builder, mlir::Location loc, mlir::FloatType type, const Variables &variables)
      : builder(builder), loc(loc), scalars(builder, loc, type), variables(variables) {}

  /// Also in f64: what is made of these variables and constants alone is computed in f64 and then rounded.
  ExpressionBuilder(mlir::OpBuilder &builder, mlir::Location loc, mlir::FloatType type, const Variables &variables, const Variables &exact)
      : ExpressionBuilder(builder, loc, type, variables) {
    this->exact = &exact;
  }

  /// A number. Null after an error (an unknown name: the front end's mistake).
  mlir::Value buildNumber(const ScalarExpr &expr);
  /// A truth value (i1); of a number: whether it is not 0.
  mlir::Value buildTruth(const ScalarExpr &expr);
  /// The expression in f64 if it is made of exact variables, and of at least one; else null.
  mlir::Value buildExact(const ScalarExpr &expr);

private:
  mlir::Value build(const ScalarExpr &expr);
  mlir::Value buildCall(const ScalarExpr &expr);
  mlir::Value buildComparison(const ScalarExpr &expr);
  mlir::Value buildLogic(const ScalarExpr &expr);
  mlir::Value buildArithmetic(const ScalarExpr &expr);
  mlir::Value buildPower(mlir::Value base, mlir::Value exponent);

  mlir::OpBuilder &builder;
  mlir::Location loc;
  cnn::Scalars scalars;
  const Variables &variables;
  const Variables *exact = nullptr;
  llvm::DenseMap<const ScalarExpr *, mlir::Value> built;
};

} // namespace cnnc
