// The cnn module of a network: its functions and what they are marked with.
// In: a Network.  Out: a verified module (Generate.h, compiler/README.md).
#include "compiler/irgen/Generate.h"

#include "compiler/dialect/Roles.h"
#include "compiler/irgen/Expression.h"
#include "compiler/irgen/Layers.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace cnnc;

namespace {
class Generator {
public:
  Generator(const Network &network, MLIRContext &context) : network(network), builder(&context) {}
  OwningOpRef<ModuleOp> run();

private:
  bool buildNetwork(StringRef name, int64_t batch);
  bool buildOptimizer(StringRef name, const std::vector<OptimizerProgram::Assign> &body);
  bool buildSchedule();
  void setAttributes(ModuleOp module);
  DictionaryAttr attributesOf(const Tensor &tensor);
  func::FuncOp buildFunction(StringRef name, TypeRange inputs, TypeRange results, Location loc);

  const Network &network;
  OpBuilder builder;
  FloatType type;
};
} // namespace

DictionaryAttr Generator::attributesOf(const Tensor &tensor) {
  NamedAttrList list;
  list.set("cnn.role", builder.getStringAttr(isParameter(tensor) ? "parameter" : "statistic"));
  list.set("cnn.name", builder.getStringAttr(tensor.name));
  list.set("cnn.kind", builder.getStringAttr(kindName(tensor.kind)));
  if (!tensor.decay && isParameter(tensor))
    list.set("cnn.no_decay", builder.getUnitAttr());
  return list.getDictionary(builder.getContext());
}

/// An empty function at the builder's place; the builder then stands in its body.
func::FuncOp Generator::buildFunction(StringRef name, TypeRange inputs, TypeRange results, Location loc) {
  auto function = func::FuncOp::create(builder, loc, name, builder.getFunctionType(inputs, results));
  builder.setInsertionPointToStart(function.addEntryBlock());
  return function;
}

bool Generator::buildNetwork(StringRef name, int64_t batch) {
  OpBuilder::InsertionGuard guard(builder);
  const Layer &last = network.layers.back();
  const MapShape &in = network.input;
  SmallVector<Type> inputs{in.flat ? RankedTensorType::get({batch, in.channels}, type)
                                   : RankedTensorType::get({batch, in.channels, in.height, in.width}, type)};
  for (const Tensor &tensor : network.tensors)
    inputs.push_back(RankedTensorType::get(tensor.shape, type));
  Type logits = RankedTensorType::get({batch, network.classes}, type);
  Location loc = locationOf(builder.getContext(), forwardPhase, last.name, last.span);
  auto function = buildFunction(name, inputs, logits, loc);
  function.setArgAttr(0, "cnn.role", builder.getStringAttr("input"));
  for (auto [i, tensor] : llvm::enumerate(network.tensors))
    function.setArgAttrs(1 + i, attributesOf(tensor));
  function.setResultAttr(0, "cnn.role", builder.getStringAttr("logits"));
  SmallVector<Value> tensors(function.getArguments().drop_front());
  Value value = LayerBuilder(builder, network, type, batch, function.getArgument(0), tensors).buildAll();
  if (!value)
    return false;
  if (value.getType() != logits) {
    emitError(loc) << "the last layer makes " << value.getType() << ", expected " << logits;
    return false;
  }
  func::ReturnOp::create(builder, loc, value);
  return true;
}

// (param, grad, lr, step, states...) -> (param, states...)
bool Generator::buildOptimizer(StringRef name, const std::vector<OptimizerProgram::Assign> &body) {
  OpBuilder::InsertionGuard guard(builder);
  const OptimizerProgram &program = network.train.optimizer;
  Location loc = NameLoc::get(builder.getStringAttr(updatePhase));
  SmallVector<std::string> names{"param", "grad", "lr", "step"};
  SmallVector<StringRef> states;
  SmallVector<Attribute> inits;
  for (const OptimizerProgram::State &state : program.states) {
    names.push_back(state.name);
    states.push_back(state.name);
    inits.push_back(builder.getF64FloatAttr(state.init));
  }
  auto function =
      buildFunction(name, SmallVector<Type>(names.size(), type), SmallVector<Type>(1 + states.size(), type), loc);
  function.setPrivate();
  function->setAttr("cnn.states", builder.getStrArrayAttr(states));
  function->setAttr("cnn.state_inits", builder.getArrayAttr(inits));
  Variables variables;
  for (auto [name, argument] : llvm::zip_equal(names, function.getArguments()))
    variables[name] = argument;
  // What depends on the rate and the number of the step alone is one value for all elements: 1 - beta^step loses its digits in f32.
  Variables exact;
  for (StringRef name : {"lr", "step"})
    if (!type.isF64())
      exact[name] = arith::ExtFOp::create(builder, loc, builder.getF64Type(), variables[name]);
  for (const OptimizerProgram::Assign &assign : body) {
    ExpressionBuilder expression(builder, loc, type, variables, exact);
    Value wide = expression.buildExact(*assign.value), value = expression.buildNumber(*assign.value);
    if (!value)
      return false;
    variables[assign.name] = value;
    exact.erase(assign.name);
    if (wide && !wide.getType().isInteger(1))
      exact[assign.name] = wide;
  }
  SmallVector<Value> results{variables["param"]};
  for (StringRef state : states)
    results.push_back(variables[state]);
  func::ReturnOp::create(builder, loc, results);
  auto module = cast<ModuleOp>(function->getParentOp());
  bool hasNorm = !function.getOps<func::CallOp>().empty();
  if (hasNorm && !module.lookupSymbol(normFunction)) {
    builder.setInsertionPoint(function);
    func::FuncOp::create(builder, loc, normFunction, builder.getFunctionType(type, type)).setPrivate();
  }
  return true;
}

// The factor of the learning rate, in f64 whatever the network computes in.
bool Generator::buildSchedule() {
  OpBuilder::InsertionGuard guard(builder);
  auto f64 = builder.getF64Type();
  Location loc = NameLoc::get(builder.getStringAttr(updatePhase));
  auto function = buildFunction("schedule", {f64, f64}, f64, loc);
  Variables variables;
  variables["epoch"] = function.getArgument(0);
  variables["epochs"] = function.getArgument(1);
  Value factor;
  if (network.train.schedule.factor)
    factor = ExpressionBuilder(builder, loc, f64, variables).buildNumber(*network.train.schedule.factor);
  else
    factor = cnn::Scalars(builder, loc, f64).number(1);
  if (factor)
    func::ReturnOp::create(builder, loc, factor);
  return bool(factor);
}

void Generator::setAttributes(ModuleOp module) {
  const Train &train = network.train;
  module->setAttr("cnn.network", builder.getStringAttr(network.name));
  module->setAttr("cnn.loss", builder.getStringAttr(train.loss));
  module->setAttr("cnn.smoothing", builder.getF64FloatAttr(train.smoothing));
  if (!train.classWeights.empty())
    module->setAttr("cnn.class_weights", builder.getDenseF64ArrayAttr(train.classWeights));
  NamedAttrList arguments;
  for (const auto &[name, value] : train.lossArgs)
    arguments.set(name, builder.getF64FloatAttr(value));
  if (!arguments.empty())
    module->setAttr("cnn.loss_args", arguments.getDictionary(builder.getContext()));
  const auto mixes = [](const Augmentation &a) { return a.name == "mixup" || a.name == "cutmix"; };
  if (network.data && llvm::any_of(network.data->augment, mixes))
    module->setAttr("cnn.mixed", builder.getUnitAttr());
  if (train.clip == Train::Clip::Norm)
    module->setAttr("cnn.clip_norm", builder.getF64FloatAttr(train.clipLimit));
  if (train.clip == Train::Clip::Value)
    module->setAttr("cnn.clip_value", builder.getF64FloatAttr(train.clipLimit));
}

OwningOpRef<ModuleOp> Generator::run() {
  Location loc = builder.getUnknownLoc();
  const Train &train = network.train;
  if (network.layers.empty()) {
    emitError(loc) << "network " << network.name << " has no layers";
    return {};
  }
  type = train.precision == Precision::F64 ? FloatType(builder.getF64Type()) : FloatType(builder.getF32Type());
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  builder.setInsertionPointToStart(module->getBody());
  setAttributes(*module);
  bool noDecay =
      llvm::any_of(network.tensors, [](const Tensor &tensor) { return !tensor.decay && isParameter(tensor); });
  if (!buildNetwork("forward", train.batch) || !buildNetwork("predict", train.batch) ||
      !buildNetwork("predict_one", 1) || !buildOptimizer("optimizer", train.optimizer.body) ||
      (noDecay && !buildOptimizer("optimizer_no_decay", train.optimizer.bodyNoDecay)) || !buildSchedule() ||
      failed(verify(*module)))
    return {};
  return module;
}

OwningOpRef<ModuleOp> cnnc::generate(const Network &network, MLIRContext &context) {
  context.loadDialect<cnn::CnnDialect>();
  return Generator(network, context).run();
}
