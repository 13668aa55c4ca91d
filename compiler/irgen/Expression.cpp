// Scalar programs as arith and math.
// In: a ScalarExpr and the values of its variables.  Out: a scalar value (Expression.h).
#include "compiler/irgen/Expression.h"

#include "compiler/dialect/Roles.h"

#include "llvm/ADT/StringSwitch.h"

#include <cmath>

using namespace mlir;
using namespace cnnc;
using arith::CmpFPredicate;

Value ExpressionBuilder::buildNumber(const ScalarExpr &expr) {
  Value value = build(expr);
  return value && value.getType().isInteger(1) ? scalars.select(value, scalars.number(1), scalars.number(0)) : value;
}

Value ExpressionBuilder::buildTruth(const ScalarExpr &expr) {
  Value value = build(expr);
  return !value || value.getType().isInteger(1) ? value : scalars.compare(CmpFPredicate::UNE, value, scalars.number(0));
}

/// Whether all variables are in `known`, and there is one.
static bool isMadeOf(const ScalarExpr &expr, const Variables &known, bool &some) {
  if (expr.kind == ScalarExpr::Kind::Variable)
    return some = known.count(expr.name) > 0;
  if (expr.kind == ScalarExpr::Kind::Call && expr.name == "norm") // its sum runs in the element type
    return false;
  return llvm::all_of(expr.args, [&](const ScalarExprPtr &arg) { return isMadeOf(*arg, known, some); });
}

Value ExpressionBuilder::buildExact(const ScalarExpr &expr) {
  bool some = false;
  if (!exact || !isMadeOf(expr, *exact, some) || !some)
    return {};
  return ExpressionBuilder(builder, loc, builder.getF64Type(), *exact).build(expr);
}

Value ExpressionBuilder::build(const ScalarExpr &expr) {
  if (Value value = built.lookup(&expr))
    return value;
  if (Value value = expr.kind == ScalarExpr::Kind::Variable ? Value() : buildExact(expr))
    return built[&expr] = value.getType().isInteger(1) ? value : builder.createOrFold<arith::TruncFOp>(loc, scalars.floatType(), value);
  Value value;
  switch (expr.kind) {
  case ScalarExpr::Kind::Number:
    value = scalars.number(expr.value);
    break;
  case ScalarExpr::Kind::Variable:
    value = variables.lookup(expr.name);
    if (!value)
      emitError(loc) << "no value for '" << expr.name << "' in a scalar program";
    break;
  case ScalarExpr::Kind::Call:
    value = buildCall(expr);
    break;
  case ScalarExpr::Kind::Select: {
    Value condition = buildTruth(*expr.args[0]), yes = buildNumber(*expr.args[1]), no = buildNumber(*expr.args[2]);
    value = condition && yes && no ? scalars.select(condition, yes, no) : Value();
    break;
  }
  }
  return built[&expr] = value;
}

Value ExpressionBuilder::buildCall(const ScalarExpr &expr) {
  for (auto stage : {&ExpressionBuilder::buildComparison, &ExpressionBuilder::buildLogic})
    if (Value value = (this->*stage)(expr))
      return value;
  return buildArithmetic(expr);
}

Value ExpressionBuilder::buildComparison(const ScalarExpr &expr) {
  std::optional<CmpFPredicate> predicate = llvm::StringSwitch<std::optional<CmpFPredicate>>(expr.name)
                                               .Case("<", CmpFPredicate::OLT)
                                               .Case("<=", CmpFPredicate::OLE)
                                               .Case(">", CmpFPredicate::OGT)
                                               .Case(">=", CmpFPredicate::OGE)
                                               .Case("==", CmpFPredicate::OEQ)
                                               .Case("!=", CmpFPredicate::UNE)
                                               .Default(std::nullopt);
  if (!predicate || expr.args.size() != 2)
    return {};
  Value a = buildNumber(*expr.args[0]), b = buildNumber(*expr.args[1]);
  return a && b ? scalars.compare(*predicate, a, b) : Value();
}

Value ExpressionBuilder::buildLogic(const ScalarExpr &expr) {
  bool conjunction = expr.name == "and", disjunction = expr.name == "or", negation = expr.name == "not";
  if (!(conjunction || disjunction || negation) || expr.args.empty())
    return {};
  Value a = buildTruth(*expr.args[0]);
  Value b = negation                ? Value(arith::ConstantOp::create(builder, loc, builder.getBoolAttr(true)))
            : expr.args.size() == 2 ? buildTruth(*expr.args[1])
                                    : Value();
  if (!a || !b)
    return {};
  return conjunction   ? builder.createOrFold<arith::AndIOp>(loc, a, b)
         : disjunction ? builder.createOrFold<arith::OrIOp>(loc, a, b)
                       : builder.createOrFold<arith::XOrIOp>(loc, a, b);
}

/// A small whole exponent is multiplications.
Value ExpressionBuilder::buildPower(Value base, Value exponent) {
  constexpr double mostMultiplied = 16;
  if (auto n = cnn::constantOf(exponent); n && *n == std::floor(*n) && std::abs(*n) <= mostMultiplied)
    return scalars.power(base, static_cast<int64_t>(*n));
  return scalars.call<math::PowFOp>(base, exponent);
}

Value ExpressionBuilder::buildArithmetic(const ScalarExpr &expr) {
  SmallVector<Value> x;
  for (const ScalarExprPtr &arg : expr.args)
    if (x.push_back(buildNumber(*arg)); !x.back())
      return {};
  cnn::Scalars &s = scalars;
  StringRef name = expr.name;
  if (x.size() == 2) {
    Value a = x[0], b = x[1];
    auto floorOfQuotient = [&] { return s.call<math::FloorOp>(s.div(a, b)); };
    if (name == "+")
      return s.add(a, b);
    if (name == "-")
      return s.sub(a, b);
    if (name == "*")
      return s.mul(a, b);
    if (name == "/")
      return s.div(a, b);
    if (name == "//")
      return floorOfQuotient();
    if (name == "%") // the sign of b, as Python's
      return s.sub(a, s.mul(b, floorOfQuotient()));
    if (name == "^" || name == "pow")
      return buildPower(a, b);
    if (name == "min")
      return s.call<arith::MinimumFOp>(a, b);
    if (name == "max")
      return s.call<arith::MaximumFOp>(a, b);
  }
  if (x.size() == 1) {
    Value a = x[0];
    if (name == "neg" || name == "-")
      return s.neg(a);
    if (name == "sigmoid")
      return s.div(s.number(1), s.add(s.number(1), s.call<math::ExpOp>(s.neg(a))));
    if (name == "norm")
      return func::CallOp::create(builder, loc, normFunction, a.getType(), a).getResult(0);
    if (name == "sign")
      return s.select(s.compare(CmpFPredicate::OGT, a, s.number(0)), s.number(1),
                      s.select(s.compare(CmpFPredicate::OLT, a, s.number(0)), s.number(-1), s.number(0)));
    using Build = Value (*)(cnn::Scalars &, Value);
    Build build = llvm::StringSwitch<Build>(name)
                      .Case("exp", [](cnn::Scalars &s, Value a) { return s.call<math::ExpOp>(a); })
                      .Case("log", [](cnn::Scalars &s, Value a) { return s.call<math::LogOp>(a); })
                      .Case("log1p", [](cnn::Scalars &s, Value a) { return s.call<math::Log1pOp>(a); })
                      .Case("expm1", [](cnn::Scalars &s, Value a) { return s.call<math::ExpM1Op>(a); })
                      .Case("sqrt", [](cnn::Scalars &s, Value a) { return s.call<math::SqrtOp>(a); })
                      .Case("rsqrt", [](cnn::Scalars &s, Value a) { return s.call<math::RsqrtOp>(a); })
                      .Case("abs", [](cnn::Scalars &s, Value a) { return s.call<math::AbsFOp>(a); })
                      .Case("tanh", [](cnn::Scalars &s, Value a) { return s.call<math::TanhOp>(a); })
                      .Case("erf", [](cnn::Scalars &s, Value a) { return s.call<math::ErfOp>(a); })
                      .Case("sin", [](cnn::Scalars &s, Value a) { return s.call<math::SinOp>(a); })
                      .Case("cos", [](cnn::Scalars &s, Value a) { return s.call<math::CosOp>(a); })
                      .Case("floor", [](cnn::Scalars &s, Value a) { return s.call<math::FloorOp>(a); })
                      .Case("ceil", [](cnn::Scalars &s, Value a) { return s.call<math::CeilOp>(a); })
                      .Default(nullptr);
    if (build)
      return build(s, a);
  }
  emitError(loc) << "no scalar function '" << name << "' of " << x.size() << " arguments";
  return {};
}
