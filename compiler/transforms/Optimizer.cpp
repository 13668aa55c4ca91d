// cnn-optimizer: clipping and the optimiser's step, fused into the training step.
// In: @train_step with gradients, @optimizer and @optimizer_no_decay on scalars, their calls of @norm, cnn.clip_norm or cnn.clip_value.
// Out: @train_step with the arguments of role "state" and the results of role "update"; the gradients stay as they are.
#include "compiler/transforms/Passes.h"

#include "compiler/dialect/Roles.h"
#include "compiler/dialect/Scalars.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace cnnc::cnn;

namespace cnnc {
#define GEN_PASS_DEF_OPTIMIZER
#include "compiler/transforms/Passes.h.inc"

namespace {
/// One parameter of @train_step.
struct Parameter {
  Value value, gradient;
  StringAttr name;
  func::FuncOp program; ///< @optimizer or @optimizer_no_decay
};

/// The scalar program at one element: from the elements of the operands to where the values of the program stand.
using ProgramBody = llvm::function_ref<IRMapping(OpBuilder &, Location, ValueRange, Operation *end)>;

struct Optimizer : impl::OptimizerBase<Optimizer> {
  void runOnOperation() override;

  LogicalResult findParameters();
  LogicalResult checkProgram(func::FuncOp program);
  Value buildSquares(OpBuilder &builder, Location loc, Value tensor);
  Value buildClipFactor(OpBuilder &builder, double limit);
  Value buildNorm(OpBuilder &builder, Location loc, func::CallOp norm, ValueRange inputs, ProgramBody body);
  void appendUpdate(Parameter parameter, Value clipFactor);

  func::FuncOp step;
  func::ReturnOp end;
  Value rate, number; ///< lr and step
  SmallVector<Parameter> parameters;
};
} // namespace

/// (param, grad, lr, step, states...) -> (param, states...)
LogicalResult Optimizer::checkProgram(func::FuncOp program) {
  auto states = program->getAttrOfType<ArrayAttr>("cnn.states"),
       inits = program->getAttrOfType<ArrayAttr>("cnn.state_inits");
  size_t count = states ? states.size() : 0, fixed = 4; // param, grad, lr, step
  if ((inits ? inits.size() : 0) != count)
    return program.emitError() << "has " << count << " states and " << (inits ? inits.size() : 0) << " cnn.state_inits";
  if (program.getNumArguments() != fixed + count || program.getNumResults() != 1 + count)
    return program.emitError() << "with " << count << " states must have " << fixed + count << " arguments and "
                               << 1 + count << " results, has " << program.getNumArguments() << " and "
                               << program.getNumResults();
  if (!llvm::hasSingleElement(program.getBody()))
    return program.emitError() << "must have one block";
  for (auto call : program.getOps<func::CallOp>())
    if (call.getCallee() != normFunction || call.getNumOperands() != 1 || call.getResultTypes() != call.getOperandTypes())
      return call.emitError() << "an optimizer calls @" << normFunction << "(x) -> x's type alone, and this is @" << call.getCallee()
                              << " of " << call.getNumOperands() << " operands";
  return success();
}

LogicalResult Optimizer::findParameters() {
  auto program = getOperation().lookupSymbol<func::FuncOp>("optimizer");
  auto programNoDecay = getOperation().lookupSymbol<func::FuncOp>("optimizer_no_decay");
  step = getOperation().lookupSymbol<func::FuncOp>("train_step");
  if (!step || step.isExternal() || !program)
    return getOperation().emitError() << "needs @train_step (cnn-autodiff) and @optimizer";
  for (func::FuncOp each : {program, programNoDecay})
    if (each && failed(checkProgram(each)))
      return failure();
  end = cast<func::ReturnOp>(step.getBody().front().getTerminator());
  llvm::StringMap<Value> gradients;
  for (unsigned i = 0; i < step.getNumResults(); ++i)
    if (resultRole(step, i) == "gradient")
      gradients[resultName(step, i)] = end.getOperand(i);
  for (unsigned i = 0; i < step.getNumArguments(); ++i) {
    if (argumentRole(step, i) == "lr")
      rate = step.getArgument(i);
    if (argumentRole(step, i) == "step")
      number = step.getArgument(i);
    if (argumentRole(step, i) != "parameter")
      continue;
    auto name = StringAttr::get(&getContext(), argumentName(step, i));
    bool noDecay = step.getArgAttr(i, "cnn.no_decay") != Attribute();
    if (noDecay && !programNoDecay)
      return step.emitError() << "parameter " << name << " has cnn.no_decay, but there is no @optimizer_no_decay";
    if (!gradients.lookup(name.getValue()))
      return step.emitError() << "parameter " << name << " has no gradient";
    parameters.push_back({step.getArgument(i), gradients[name.getValue()], name, noDecay ? programNoDecay : program});
  }
  if (!rate || !number)
    return step.emitError() << "has no arguments of role lr and step";
  return success();
}

/// The sum of a tensor's squares, as a scalar.
Value Optimizer::buildSquares(OpBuilder &builder, Location loc, Value tensor) {
  auto square = MapOp::create(builder, loc, tensor.getType(), tensor, [&](OpBuilder &builder, Location loc, ValueRange x) {
    return SmallVector<Value>{Scalars(builder, loc, cast<FloatType>(x[0].getType())).mul(x[0], x[0])};
  });
  return SumToOp::create(builder, loc, rate.getType(), square.getResult(0));
}

// factor = min(1, limit / (sqrt(sum over all gradients of g^2) + 1e-6)), as PyTorch's clip_grad_norm_.
Value Optimizer::buildClipFactor(OpBuilder &builder, double limit) {
  constexpr double torchClipEpsilon = 1e-6;
  auto scalar = cast<RankedTensorType>(rate.getType());
  auto type = cast<FloatType>(scalar.getElementType());
  Location loc = withPhase(end.getLoc(), updatePhase);
  SmallVector<Value> squares;
  for (const Parameter &parameter : parameters) {
    Location loc = withPhase(parameter.gradient.getLoc(), updatePhase);
    squares.push_back(buildSquares(builder, loc, parameter.gradient));
  }
  auto factor = MapOp::create(builder, loc, scalar, squares, [&](OpBuilder &builder, Location loc, ValueRange x) {
    Scalars s(builder, loc, type);
    Value total = s.number(0);
    for (Value square : x)
      total = s.add(total, square);
    Value ratio = s.div(s.number(limit), s.add(s.call<math::SqrtOp>(total), s.number(torchClipEpsilon)));
    return SmallVector<Value>{s.call<arith::MinimumFOp>(ratio, s.number(1))};
  });
  return factor.getResult(0);
}

// sqrt(sum over the tensor's elements of x^2), x the operand of a call of @norm.
Value Optimizer::buildNorm(OpBuilder &builder, Location loc, func::CallOp norm, ValueRange inputs, ProgramBody body) {
  auto operand = MapOp::create(builder, loc, inputs[0].getType(), inputs, [&](OpBuilder &builder, Location loc, ValueRange x) {
    return SmallVector<Value>{body(builder, loc, x, norm).lookup(norm.getOperand(0))};
  });
  Value squares = buildSquares(builder, loc, operand.getResult(0));
  auto root = MapOp::create(builder, loc, squares.getType(), squares, [&](OpBuilder &builder, Location loc, ValueRange x) {
    return SmallVector<Value>{Scalars(builder, loc, cast<FloatType>(x[0].getType())).call<math::SqrtOp>(x[0])};
  });
  return root.getResult(0);
}

void Optimizer::appendUpdate(Parameter parameter, Value clipFactor) {
  OpBuilder builder(end);
  Location loc = withPhase(parameter.gradient.getLoc(), updatePhase);
  Type tensor = parameter.value.getType();
  auto type = cast<FloatType>(cast<RankedTensorType>(tensor).getElementType());
  auto states = parameter.program->getAttrOfType<ArrayAttr>("cnn.states");
  auto inits = parameter.program->getAttrOfType<ArrayAttr>("cnn.state_inits");
  auto attributes = [&](StringRef role, StringAttr name) {
    NamedAttrList list;
    list.set("cnn.role", builder.getStringAttr(role));
    list.set("cnn.name", name);
    return list;
  };
  SmallVector<Value> inputs{parameter.value, parameter.gradient, rate, number};
  SmallVector<StringAttr> names{parameter.name};
  for (unsigned i = 0; states && i < states.size(); ++i) {
    names.push_back(builder.getStringAttr(parameter.name.getValue() + "." + cast<StringAttr>(states[i]).getValue()));
    NamedAttrList list = attributes("state", names.back());
    list.set("cnn.of", parameter.name);
    list.set("cnn.init", inits[i]);
    (void)step.insertArgument(step.getNumArguments(), tensor, list.getDictionary(&getContext()), loc);
    inputs.push_back(step.getArguments().back());
  }
  size_t programInputs = inputs.size();
  if (clipFactor)
    inputs.push_back(clipFactor);
  auto clipValue = getOperation()->getAttrOfType<FloatAttr>("cnn.clip_value");
  Block &program = parameter.program.getBody().front();
  SmallVector<func::CallOp> norms; ///< those whose values stand behind the other inputs
  auto body = [&](OpBuilder &builder, Location loc, ValueRange x, Operation *end) {
    Scalars s(builder, loc, type);
    Value gradient = x[1];
    if (clipFactor)
      gradient = s.mul(gradient, x[programInputs]);
    if (clipValue) {
      double limit = clipValue.getValueAsDouble();
      gradient = s.call<arith::MinimumFOp>(s.call<arith::MaximumFOp>(gradient, s.number(-limit)), s.number(limit));
    }
    IRMapping copies;
    copies.map(program.getArguments(), x.take_front(programInputs));
    copies.map(program.getArgument(1), gradient);
    for (auto [norm, value] : llvm::zip_equal(norms, x.take_back(norms.size())))
      copies.map(norm.getResult(0), value);
    for (Operation &op : llvm::make_range(program.begin(), end->getIterator()))
      if (!isa<func::CallOp>(op))
        builder.clone(op, copies)->setLoc(loc);
    return copies;
  };
  for (auto norm : program.getOps<func::CallOp>()) {
    Value value = buildNorm(builder, loc, norm, inputs, body);
    norms.push_back(norm);
    inputs.push_back(value);
  }

  Operation *last = program.getTerminator();
  auto update = MapOp::create(builder, loc, SmallVector<Type>(names.size(), tensor), inputs,
                              [&](OpBuilder &builder, Location loc, ValueRange x) {
                                IRMapping copies = body(builder, loc, x, last);
                                return llvm::map_to_vector(last->getOperands(), [&](Value value) { return copies.lookup(value); });
                              });
  for (auto [name, value] : llvm::zip_equal(names, update.getResults())) {
    unsigned index = step.getNumResults();
    (void)step.insertResult(index, tensor, attributes("update", name).getDictionary(&getContext()));
    end->insertOperands(index, value);
  }
}

void Optimizer::runOnOperation() {
  parameters.clear();
  rate = number = Value();
  if (failed(findParameters()))
    return signalPassFailure();
  OpBuilder builder(end);
  Value clipFactor;
  if (auto limit = getOperation()->getAttrOfType<FloatAttr>("cnn.clip_norm"); limit && !parameters.empty())
    clipFactor = buildClipFactor(builder, limit.getValueAsDouble());
  for (const Parameter &parameter : parameters)
    appendUpdate(parameter, clipFactor);
  for (StringRef name : {StringRef("optimizer"), StringRef("optimizer_no_decay"), StringRef(normFunction)})
    if (auto program = getOperation().lookupSymbol<func::FuncOp>(name))
      program.erase();
  OpPassManager cleaning(ModuleOp::getOperationName());
  cleaning.addPass(createCanonicalizerPass());
  cleaning.addPass(createCSEPass());
  if (failed(runPipeline(cleaning, getOperation())))
    signalPassFailure();
}

} // namespace cnnc
