// Scalar programs, simplified while they are built.
// In: scalar values.  Out: scalar values (Scalars.h).
#include "compiler/dialect/Scalars.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace cnnc::cnn;

std::optional<double> cnnc::cnn::constantOf(Value value) {
  FloatAttr number;
  if (matchPattern(value, m_Constant(&number)) && number)
    return number.getValueAsDouble();
  return std::nullopt;
}

Value Scalars::number(double value) { return arith::ConstantOp::create(builder, loc, FloatAttr::get(type, value)); }

Value Scalars::add(Value a, Value b) {
  if (constantOf(a) == 0)
    return b;
  if (constantOf(b) == 0)
    return a;
  return call<arith::AddFOp>(a, b);
}
Value Scalars::sub(Value a, Value b) {
  if (constantOf(b) == 0)
    return a;
  if (constantOf(a) == 0)
    return neg(b);
  return call<arith::SubFOp>(a, b);
}
Value Scalars::mul(Value a, Value b) {
  if (constantOf(b))
    std::swap(a, b);
  if (constantOf(a) == 0)
    return a;
  if (constantOf(a) == 1)
    return b;
  if (constantOf(a) == -1)
    return neg(b);
  // b * select(c, 1, 0) = select(c, b, 0)
  for (auto [factor, other] : {std::pair(a, b), std::pair(b, a)})
    if (auto choice = factor.getDefiningOp<arith::SelectOp>()) {
      auto yes = constantOf(choice.getTrueValue()), no = constantOf(choice.getFalseValue());
      if (yes && no && (*yes == 0 || *yes == 1) && (*no == 0 || *no == 1))
        return select(choice.getCondition(), mul(other, choice.getTrueValue()), mul(other, choice.getFalseValue()));
    }
  return call<arith::MulFOp>(a, b);
}
Value Scalars::div(Value a, Value b) {
  if (constantOf(a) == 0 || constantOf(b) == 1)
    return a;
  return call<arith::DivFOp>(a, b);
}
Value Scalars::neg(Value a) {
  if (auto n = constantOf(a))
    return *n == 0 ? a : number(-*n);
  return call<arith::NegFOp>(a);
}

Value Scalars::power(Value a, int64_t n) {
  if (n < 0)
    return div(number(1), power(a, -n));
  if (n == 0)
    return number(1);
  if (n == 1)
    return a;
  Value half = power(a, n / 2), square = mul(half, half);
  return n % 2 ? mul(square, a) : square;
}

Value Scalars::compare(arith::CmpFPredicate predicate, Value a, Value b) {
  return call<arith::CmpFOp>(predicate, a, b);
}
Value Scalars::select(Value condition, Value a, Value b) {
  auto x = constantOf(a), y = constantOf(b);
  if (x && y && *x == *y)
    return a;
  return builder.createOrFold<arith::SelectOp>(loc, condition, a, b);
}
