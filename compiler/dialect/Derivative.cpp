// Symbolic derivatives of scalar programs: a rule an operation, applied from the argument to the results.
// In: the body of a cnn.map.  Out: the derivatives of what it yields (Derivative.h).
#include "compiler/dialect/Derivative.h"
#include "compiler/dialect/Scalars.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace cnnc::cnn;
using arith::CmpFPredicate;

namespace {
/// One operation y = f(x0, x1, ...): copies of its operands and result, and the operands' derivatives (null: zero).
struct Step {
  Operation *op;
  SmallVector<Value> x;
  Value y;
  SmallVector<Value> d;
  DenseMap<Value, Value> *derivatives; ///< of all values computed so far
  const IRMapping *copies;
};

struct Rules {
  Scalars s;

  Value orZero(Value d) { return d ? d : s.number(0); }
  Value sum(Value a, Value b) { return !a ? b : !b ? a : s.add(a, b); }
  Value scaled(Value factor, Value d) { return d ? s.mul(factor, d) : Value(); }

  Value quotient(const Step &step);
  Value extremum(const Step &step, CmpFPredicate better);
  Value power(const Step &step);
  FailureOr<Value> apply(const Step &step);
};
} // namespace

// (a/b)' = (a' - y b') / b. For b = c + exp(u) with a constant c, b'/b = (1 - c/b) u', which stays finite where exp(u)
// does not: so the logistic function 1/(1 + exp(-x)) has its derivative y (1 - y) for every x.
Value Rules::quotient(const Step &step) {
  Value a = step.d[0], b = step.d[1];
  if (!b)
    return s.div(a, step.x[1]);
  if (auto sum = step.op->getOperand(1).getDefiningOp<arith::AddFOp>())
    for (auto [constant, other] : {std::pair(sum.getLhs(), sum.getRhs()), std::pair(sum.getRhs(), sum.getLhs())})
      if (auto exp = other.getDefiningOp<math::ExpOp>(); exp && constantOf(constant)) {
        Value rest = s.sub(s.number(1), s.div(step.copies->lookup(constant), step.x[1]));
        Value flow = s.neg(s.mul(s.mul(step.y, rest), step.derivatives->lookup(exp.getOperand())));
        return a ? s.add(s.div(a, step.x[1]), flow) : flow;
      }
  return s.div(a ? s.sub(a, s.mul(step.y, b)) : s.neg(s.mul(step.y, b)), step.x[1]);
}

// max(a, b)' = a' where a > b, b' elsewhere; where one is constant, 0 at equality, as PyTorch's relu. A value that is
// no number counts as better, so that it reaches the gradient.
Value Rules::extremum(const Step &step, CmpFPredicate better) {
  int first = step.d[0] ? 0 : 1;
  return s.select(s.compare(better, step.x[first], step.x[1 - first]), step.d[first], orZero(step.d[1 - first]));
}

// (a^b)' = b a^(b-1) a' + a^b log(a) b', the second term 0 at a = 0
Value Rules::power(const Step &step) {
  Value a = step.x[0], b = step.x[1];
  Value base = step.d[0] ? s.mul(s.mul(b, s.call<math::PowFOp>(a, s.sub(b, s.number(1)))), step.d[0]) : Value();
  if (!step.d[1])
    return base;
  Value flow = s.mul(s.mul(step.y, s.call<math::LogOp>(a)), step.d[1]);
  return sum(base, s.select(s.compare(CmpFPredicate::OEQ, a, s.number(0)), s.number(0), flow));
}

FailureOr<Value> Rules::apply(const Step &step) {
  constexpr double twoOverSqrtPi = 1.1283791670955126;
  Operation *op = step.op;
  Value x = step.x[0], y = step.y, d = step.d[0];
  auto one = [&] { return s.number(1); };
  if (isa<arith::AddFOp>(op))
    return sum(d, step.d[1]);
  if (isa<arith::SubFOp>(op))
    return !step.d[1] ? d : d ? s.sub(d, step.d[1]) : s.neg(step.d[1]);
  if (isa<arith::MulFOp>(op))
    return sum(scaled(step.x[1], d), scaled(x, step.d[1]));
  if (isa<arith::DivFOp>(op))
    return quotient(step);
  if (isa<arith::NegFOp>(op))
    return s.neg(d);
  if (isa<arith::MaximumFOp, arith::MaxNumFOp>(op))
    return extremum(step, CmpFPredicate::UGT);
  if (isa<arith::MinimumFOp, arith::MinNumFOp>(op))
    return extremum(step, CmpFPredicate::ULT);
  if (isa<arith::SelectOp>(op))
    return s.select(x, orZero(step.d[1]), orZero(step.d[2]));
  if (isa<math::ExpOp>(op))
    return s.mul(y, d);
  if (isa<math::LogOp>(op))
    return s.div(d, x);
  if (isa<math::Log1pOp>(op))
    return s.div(d, s.add(one(), x));
  if (isa<math::ExpM1Op>(op))
    return s.mul(s.add(y, one()), d);
  if (isa<math::SqrtOp>(op))
    return s.mul(s.div(s.number(0.5), y), d);
  if (isa<math::RsqrtOp>(op))
    return s.mul(s.mul(s.number(-0.5), s.power(y, 3)), d);
  if (isa<math::AbsFOp>(op)) // the sign of x, 0 at 0
    return s.select(s.compare(CmpFPredicate::OGT, x, s.number(0)), d,
                    s.select(s.compare(CmpFPredicate::OEQ, x, s.number(0)), s.number(0), s.neg(d)));
  if (isa<math::TanhOp>(op))
    return s.mul(s.sub(one(), s.mul(y, y)), d);
  if (isa<math::ErfOp>(op))
    return s.mul(s.mul(s.number(twoOverSqrtPi), s.call<math::ExpOp>(s.neg(s.mul(x, x)))), d);
  if (isa<math::SinOp>(op))
    return s.mul(s.call<math::CosOp>(x), d);
  if (isa<math::CosOp>(op))
    return s.neg(s.mul(s.call<math::SinOp>(x), d));
  if (isa<math::PowFOp>(op))
    return power(step);
  if (isa<math::FPowIOp>(op))
    if (IntegerAttr n; matchPattern(op->getOperand(1), m_Constant(&n)))
      return s.mul(s.mul(s.number(n.getInt()), s.power(x, n.getInt() - 1)), d);
  if (isa<math::FloorOp, math::CeilOp>(op))
    return Value();
  op->emitError() << "no rule for the derivative of " << op->getName();
  return failure();
}

FailureOr<SmallVector<Value>> cnnc::cnn::differentiate(OpBuilder &builder, Block &body, unsigned argument,
                                                       const IRMapping &copies) {
  DenseMap<Value, Value> derivatives;
  Value start = body.getArgument(argument);
  Location loc = builder.getUnknownLoc();
  for (Operation &op : body) {
    loc = withPhase(op.getLoc(), backwardPhase);
    break;
  }
  auto type = dyn_cast<FloatType>(start.getType());
  SmallVector<Value> none(body.getTerminator()->getNumOperands());
  if (!type)
    return none;
  derivatives[start] = Scalars(builder, loc, type).number(1);
  for (Operation &op : body.without_terminator()) {
    Step step{&op, {}, {}, {}, &derivatives, &copies};
    for (Value operand : op.getOperands()) {
      step.x.push_back(copies.lookup(operand));
      step.d.push_back(derivatives.lookup(operand));
    }
    auto result = op.getNumResults() == 1 ? dyn_cast<FloatType>(op.getResult(0).getType()) : FloatType();
    if (!result || llvm::none_of(step.d, [](Value d) { return bool(d); }))
      continue;
    step.y = copies.lookup(op.getResult(0));
    Rules rules{Scalars(builder, withPhase(op.getLoc(), backwardPhase), result)};
    FailureOr<Value> derivative = rules.apply(step);
    if (failed(derivative))
      return failure();
    if (*derivative && constantOf(*derivative) != 0)
      derivatives[op.getResult(0)] = *derivative;
  }
  SmallVector<Value> results;
  for (Value value : body.getTerminator()->getOperands())
    results.push_back(derivatives.lookup(value));
  return results;
}
