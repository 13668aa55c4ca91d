// Builds scalar programs out of arith and math and simplifies as it goes: x*0 is 0, x*1 is x, also where x might be no
// number. In: scalar values.  Out: scalar values; all operations carry fastmath<contract>.
#pragma once

#include "compiler/dialect/Cnn.h"

namespace cnnc::cnn {

class Scalars {
public:
  Scalars(mlir::OpBuilder &builder, mlir::Location loc, mlir::FloatType type)
      : builder(builder), loc(loc), type(type) {}

  mlir::FloatType floatType() const { return type; }
  mlir::Value number(double value);
  mlir::Value add(mlir::Value a, mlir::Value b);
  mlir::Value sub(mlir::Value a, mlir::Value b);
  mlir::Value mul(mlir::Value a, mlir::Value b);
  mlir::Value div(mlir::Value a, mlir::Value b);
  mlir::Value neg(mlir::Value a);
  /// a^n by repeated squaring; n may be negative.
  mlir::Value power(mlir::Value a, int64_t n);
  mlir::Value compare(mlir::arith::CmpFPredicate predicate, mlir::Value a, mlir::Value b);
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b);
  /// A floating-point operation of arith or math on its operands.
  template <typename Op, typename... Values> mlir::Value call(Values... operands) {
    return builder.createOrFold<Op>(loc, operands..., mlir::arith::FastMathFlags::contract);
  }

private:
  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::FloatType type;
};

/// The number that a value is, if it is a constant.
std::optional<double> constantOf(mlir::Value value);

} // namespace cnnc::cnn
