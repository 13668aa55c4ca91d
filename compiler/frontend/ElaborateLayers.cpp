// The layers without a window: input, norms, dense, dropout, activations, flatten, softmax, joins of named maps.
// In: a layer's arguments and the map that enters.  Out: a Layer with its tensors, in PyTorch's shapes and defaults.
#include "compiler/frontend/Elaborate.h"
#include "compiler/frontend/ScalarPrograms.h"
#include "compiler/shape/Shape.h"

#include <algorithm>

namespace cnnc {
namespace {

std::string text(int64_t n) { return std::to_string(n); }
const Init ones{"ones", {}}, zeros{"zeros", {}};

/// The table of layers: the order is that of the positional arguments; '!' marks those that must be given, and the others stand with their defaults.
const std::map<std::string, std::vector<ParameterSpec>> &table() {
  static const std::map<std::string, std::vector<ParameterSpec>> layers = [] {
    const std::map<std::string, std::vector<std::string>> rows = {
        {"input", {"channels!", "height!", "width!"}},
        {"conv", {"filters!", "kernel!", "stride=1", "pad=0", "dilation=1", "groups=1", "bias=true", "init=he_normal"}},
        {"depthwise", {"kernel!", "stride=1", "pad=0", "dilation=1", "multiplier=1", "bias=true", "init=he_normal"}},
        {"maxpool", {"kernel!", "stride=kernel", "pad=0", "ceil=false"}},
        {"avgpool", {"kernel!", "stride=kernel", "pad=0", "ceil=false", "count_pad=true"}},
        {"global_avgpool", {}},
        {"global_maxpool", {}},
        {"adaptive_avgpool", {"size!"}},
        {"flatten", {}},
        {"batchnorm", {"momentum=0.1", "eps=1e-5", "affine=true"}},
        {"groupnorm", {"groups!", "eps=1e-5", "affine=true"}},
        {"layernorm", {"eps=1e-5", "affine=true", "over=map"}},
        {"lrn", {"size=5", "alpha=1e-4", "beta=0.75", "k=1"}},
        {"dense", {"units!", "bias=true", "init=he_normal"}},
        {"dropout", {"p=0.5", "spatial=false"}},
        {"drop_path", {"p=0.1"}},
        {"layer_scale", {"init=1e-6"}},
        {"prelu", {"init=0.25"}},
        {"softmax", {}},
        {"concat", {}},
        {"add", {}},
    };
    std::map<std::string, std::vector<ParameterSpec>> out;
    for (auto &[name, parameters] : rows) {
      auto &list = out[name];
      for (std::string p : parameters) {
        bool required = p.back() == '!';
        size_t equals = p.find('=');
        list.push_back({required ? p.substr(0, p.size() - 1) : p.substr(0, equals), required, required ? "" : p.substr(equals + 1)});
      }
    }
    return out;
  }();
  return layers;
}

} // namespace

const std::vector<ParameterSpec> *layerParameters(const std::string &kind) {
  auto it = table().find(kind);
  return it == table().end() ? nullptr : &it->second;
}

std::vector<std::string> layerKinds() {
  std::vector<std::string> kinds;
  for (auto &[kind, unused] : table())
    kinds.push_back(kind);
  return kinds;
}

Current Elaboration::push(const ast::Step &s, const std::string &name, const std::string &kind, LayerBody body, std::vector<int> inputs,
                          MapShape output, int64_t macs, std::string formula) {
  Current current;
  current.shape = output;
  auto elements = shape::product(output.channels, output.height, output.width);
  if (!elements || *elements > maxMapElements || output.channels > shape::maxExtent * 16) {
    diagnostics.report(Diag::SizeOverflow, s.span).label(s.span, shapeText(output) + " has more than 2^36 elements");
    current.bad = true;
  }
  if (network.layers.size() >= maxLayers) {
    if (!stopped)
      diagnostics.report(Diag::LayerLimit, s.span, {"it has more than " + std::to_string(maxLayers) + " layers"});
    stopped = true;
    current.bad = true;
    return current;
  }
  Layer layer;
  layer.name = name;
  layer.kind = kind;
  layer.body = std::move(body);
  layer.inputs = std::move(inputs);
  layer.output = output;
  layer.formula = std::move(formula);
  layer.macs = macs;
  layer.span = s.span;
  network.layers.push_back(std::move(layer));
  current.layer = int(network.layers.size()) - 1;
  return current;
}

int Elaboration::tensor(const ast::Step &s, const std::string &name, Tensor::Kind kind, std::vector<int64_t> shape, Init init, int64_t fanIn,
                        int64_t fanOut) {
  int64_t elements = 1;
  bool overflow = false;
  for (int64_t side : shape)
    overflow |= __builtin_mul_overflow(elements, side, &elements);
  overflow |= __builtin_add_overflow(parameterCount, elements, &parameterCount);
  if (overflow || parameterCount > maxParameters) {
    std::string sides;
    for (int64_t side : shape)
      sides += (sides.empty() ? "" : "x") + text(side);
    if (!stopped)
      diagnostics.report(Diag::LayerLimit, s.span, {"it has more than 2^36 parameters"}).label(s.span, "`" + name + "` would be " + sides);
    stopped = true;
    return -1;
  }
  network.tensors.push_back({name, kind, std::move(shape), std::move(init), fanIn, fanOut, true});
  return int(network.tensors.size()) - 1;
}

Current Elaboration::layer(const ast::Step &s, const std::string &kind, Current in, Environment &environment, Scope &scope) {
  CallArguments a(kind, s.span, diagnostics);
  if (kind == "concat" || kind == "add") {
    std::vector<Current> parts = {in};
    bool bad = in.bad;
    for (const ast::Argument &argument : s.arguments) {
      Value value = evaluate(*argument.value, environment, in);
      if (argument.keyword || (!value.bad() && value.kind != Value::Kind::Map))
        diagnostics.report(Diag::WrongType, argument.value->span, {"what " + kind + " joins", "a map named by `let name = it`", describe(value)});
      bad |= value.kind != Value::Kind::Map || argument.keyword;
      if (!bad)
        parts.push_back({value.map, network.layers[size_t(value.map)].output, false});
    }
    if (s.arguments.empty()) {
      diagnostics.report(Diag::MissingArgument, s.span, {kind, "map"}).help("let skip = it, and later " + kind + "(skip)");
      bad = true;
    }
    return bad ? poisoned(in) : join(s, kind, parts, scope);
  }

  BoundArguments bound = bindArguments(kind, s.span, s.arguments, *layerParameters(kind), diagnostics);
  for (auto &[name, argument] : bound.given)
    a.values[name] = evaluate(*argument->value, environment, in);
  for (auto &[name, value] : a.values)
    if (value.bad())
      a.bad = true;
  for (auto it = a.values.begin(); it != a.values.end();)
    it = it->second.bad() ? a.values.erase(it) : std::next(it);
  a.bad |= !bound.good;

  if (kind == "input")
    return inputLayer(s, a, in, scope);
  if (kind == "conv" || kind == "depthwise")
    return convolution(s, kind, a, in, scope);
  if (kind == "maxpool" || kind == "avgpool")
    return pool(s, kind, a, in, scope);
  if (kind == "adaptive_avgpool")
    return adaptivePool(s, a, in, scope);
  if (kind == "batchnorm")
    return batchnorm(s, a, in, scope);
  if (kind == "groupnorm")
    return groupnorm(s, a, in, scope);
  if (kind == "layernorm")
    return layernorm(s, a, in, scope);
  if (kind == "lrn")
    return lrn(s, a, in, scope);
  if (kind == "dense")
    return dense(s, a, in, scope);
  if (kind == "softmax")
    return a.bad || in.bad ? poisoned(in) : softmax(s, in, scope);
  if (kind == "flatten")
    return a.bad || in.bad ? poisoned(in) : flatten(s, in, scope, nameFor(s, kind, scope));

  std::string name = nameFor(s, kind, scope);
  if (kind == "dropout") {
    DropoutLayer dropout;
    dropout.p = a.real("p", 0.5, 0, 1, "from 0 to 1");
    dropout.spatial = a.boolean("spatial", false);
    return a.bad || in.bad ? poisoned(in) : push(s, name, kind, dropout, {in.layer}, in.shape);
  }
  if (kind == "drop_path") {
    DropoutLayer dropout;
    dropout.p = a.real("p", 0.1, 0, 1, "from 0 to 1");
    dropout.perSample = true;
    return a.bad || in.bad ? poisoned(in) : push(s, name, kind, dropout, {in.layer}, in.shape);
  }
  if (kind == "layer_scale") {
    constexpr double initialScale = 1e-6; // Liu et al. 2022, ConvNeXt
    double scale = a.real("init", initialScale, -1e6, 1e6, "a number");
    if (a.bad || in.bad)
      return poisoned(in);
    LayerScaleLayer layerScale{tensor(s, name + ".weight", Tensor::Kind::Weight, {in.shape.channels}, Init{"constant", {scale}})};
    return push(s, name, kind, layerScale, {in.layer}, in.shape);
  }
  if (kind == "prelu") {
    constexpr double initialSlope = 0.25; // PyTorch's
    double slope = a.real("init", initialSlope, -1e6, 1e6, "a number");
    if (a.bad || in.bad)
      return poisoned(in);
    PreluLayer prelu;
    prelu.weight = tensor(s, name + ".weight", Tensor::Kind::Weight, {1}, Init{"constant", {slope}});
    return push(s, name, kind, prelu, {in.layer}, in.shape);
  }
  // global_avgpool, global_maxpool
  if (a.bad || in.bad || !isMap(s, kind, in))
    return poisoned(in);
  return push(s, name, kind, GlobalPoolLayer{kind == "global_maxpool"}, {in.layer}, {in.shape.channels, 1, 1, false});
}

Current Elaboration::inputLayer(const ast::Step &s, CallArguments &a, const Current &in, Scope &scope) {
  if (in.layer >= 0) {
    diagnostics.report(Diag::InputLayerPlace, s.span, {"a network has one input, and it comes first"})
        .secondary(network.layers[0].span, "the input is here");
    return in;
  }
  if (!openBlocks.empty()) {
    diagnostics.report(Diag::InputLayerPlace, s.span, {"the input stands in the network, not in a block"});
    return poisoned(in);
  }
  MapShape shape{a.integer("channels", 1, 1, shape::maxExtent), a.integer("height", 1, 1, shape::maxExtent), a.integer("width", 1, 1, shape::maxExtent), false};
  network.input = shape;
  // So few columns for so many rows and channels: a picture with its channels last.
  constexpr int64_t mostColours = 4, leastSide = 8;
  if (shape.width <= mostColours && shape.height >= leastSide && shape.channels >= leastSide && !a.bad) {
    std::string call = "input(" + text(shape.width) + ", " + text(shape.channels) + ", " + text(shape.height) + ")";
    auto &d = diagnostics.report(Diag::ChannelsLast, s.span, {text(shape.channels), text(shape.width)}).label(s.span, "channels, height, width");
    d.fix(s.span, call, call + " is a picture of " + text(shape.channels) + "x" + text(shape.height) + " with " + plural(size_t(shape.width), "channel"));
    d.remarks.back().changesNetwork = true;
  }
  Current out = push(s, nameFor(s, "input", scope), "input", InputLayer{}, {}, shape);
  out.bad |= a.bad || in.bad;
  return out;
}

Current Elaboration::batchnorm(const ast::Step &s, CallArguments &a, const Current &in, Scope &scope) {
  std::string name = nameFor(s, "batchnorm", scope);
  BatchNormLayer norm;
  norm.momentum = a.real("momentum", 0.1, 0, 1, "from 0 to 1");
  norm.eps = a.real("eps", 1e-5, 0, 1, "from 0 to 1");
  bool affine = a.boolean("affine", true);
  if (a.bad || in.bad)
    return poisoned(in);
  int64_t C = in.shape.channels;
  if (affine) {
    norm.weight = tensor(s, name + ".weight", Tensor::Kind::Weight, {C}, ones);
    norm.bias = tensor(s, name + ".bias", Tensor::Kind::Bias, {C}, zeros);
  }
  norm.runningMean = tensor(s, name + ".running_mean", Tensor::Kind::RunningMean, {C}, zeros);
  norm.runningVar = tensor(s, name + ".running_var", Tensor::Kind::RunningVar, {C}, ones);
  return push(s, name, "batchnorm", norm, {in.layer}, in.shape);
}

Current Elaboration::groupnorm(const ast::Step &s, CallArguments &a, const Current &in, Scope &scope) {
  std::string name = nameFor(s, "groupnorm", scope);
  GroupNormLayer norm;
  norm.groups = a.integer("groups", 1, 1, shape::maxExtent);
  norm.eps = a.real("eps", 1e-5, 0, 1, "from 0 to 1");
  bool affine = a.boolean("affine", true);
  if (a.bad || in.bad)
    return poisoned(in);
  int64_t C = in.shape.channels;
  if (C % norm.groups) {
    diagnostics.report(Diag::Groups, s.span).label(a.spanOf("groups"), text(norm.groups) + " does not divide " + text(C) + " channels");
    return poisoned(in);
  }
  if (affine) {
    norm.weight = tensor(s, name + ".weight", Tensor::Kind::Weight, {C}, ones);
    norm.bias = tensor(s, name + ".bias", Tensor::Kind::Bias, {C}, zeros);
  }
  return push(s, name, "groupnorm", norm, {in.layer}, in.shape);
}

Current Elaboration::layernorm(const ast::Step &s, CallArguments &a, const Current &in, Scope &scope) {
  std::string name = nameFor(s, "layernorm", scope);
  LayerNormLayer norm;
  norm.eps = a.real("eps", 1e-5, 0, 1, "from 0 to 1");
  bool affine = a.boolean("affine", true);
  norm.overChannels = a.word("over", {"map", "channels"}) == "channels";
  if (a.bad || in.bad)
    return poisoned(in);
  std::vector<int64_t> shape = {in.shape.channels};
  if (!in.shape.flat && !norm.overChannels)
    shape = {in.shape.channels, in.shape.height, in.shape.width};
  if (affine) {
    norm.weight = tensor(s, name + ".weight", Tensor::Kind::Weight, shape, ones);
    norm.bias = tensor(s, name + ".bias", Tensor::Kind::Bias, shape, zeros);
  }
  return push(s, name, "layernorm", norm, {in.layer}, in.shape);
}

Current Elaboration::lrn(const ast::Step &s, CallArguments &a, const Current &in, Scope &scope) {
  std::string name = nameFor(s, "lrn", scope);
  LrnLayer lrn;
  lrn.size = a.integer("size", 5, 1, shape::maxExtent);
  lrn.alpha = a.real("alpha", 1e-4, 0, 1e6, "0 or more");
  lrn.beta = a.real("beta", 0.75, 0, 1e6, "0 or more");
  lrn.k = a.real("k", 1, 0, 1e6, "0 or more");
  if (a.bad || in.bad)
    return poisoned(in);
  return push(s, name, "lrn", lrn, {in.layer}, in.shape);
}

Current Elaboration::flatten(const ast::Step &s, const Current &in, Scope &scope, const std::string &name) {
  MapShape shape{in.shape.channels * in.shape.height * in.shape.width, 1, 1, true}; // at most maxMapElements
  return push(s, name, "flatten", FlattenLayer{}, {in.layer}, shape);
}

Current Elaboration::dense(const ast::Step &s, CallArguments &a, Current in, Scope &scope) {
  std::string name = nameFor(s, "dense", scope);
  DenseLayer dense;
  dense.units = a.integer("units", 1, 1, shape::maxExtent);
  bool bias = a.boolean("bias", true);
  Init init = a.init("init", Init{"he_normal", {}});
  if (a.bad || in.bad)
    return poisoned(in);
  if (!in.shape.flat)
    in = flatten(s, in, scope, scope.prefix + inserted("flatten", scope));
  if (in.bad)
    return in;
  int64_t inputs = in.shape.channels;
  auto macs = shape::product(inputs, dense.units); // at most 2^36 * 2^24
  dense.weight = tensor(s, name + ".weight", Tensor::Kind::Weight, {dense.units, inputs}, init, inputs, dense.units);
  if (bias)
    dense.bias = tensor(s, name + ".bias", Tensor::Kind::Bias, {dense.units}, zeros, inputs, dense.units);
  return push(s, name, "dense", dense, {in.layer}, {dense.units, 1, 1, true}, macs.value_or(0));
}

Current Elaboration::softmax(const ast::Step &s, Current in, Scope &scope) {
  if (!in.shape.flat) {
    if (in.shape.height != 1 || in.shape.width != 1) {
      diagnostics.report(Diag::NeedsFlat, s.span, {"softmax"})
          .label(s.span, "the map is " + shapeText(in.shape))
          .help("put global_avgpool or dense(classes) in front of it");
      return poisoned(in);
    }
    in = flatten(s, in, scope, scope.prefix + inserted("flatten", scope));
  }
  return push(s, nameFor(s, "softmax", scope), "softmax", SoftmaxLayer{}, {in.layer}, in.shape);
}

std::string Elaboration::inserted(const std::string &kind, Scope &scope) {
  std::string name;
  do
    name = kind + std::to_string(++scope.counts[kind]);
  while (!scope.taken.insert(name).second);
  return name;
}

Current Elaboration::activation(const ast::Step &s, const ast::Program &program, const Current &in, Environment &environment, Scope &scope) {
  ScalarCompiler compiler(definitions, diagnostics);
  std::vector<ParameterSpec> parameters; // after the variable itself
  for (size_t i = 1; i < program.parameters.size(); ++i)
    parameters.push_back({program.parameters[i].name.text, program.parameters[i].value == nullptr});
  BoundArguments bound = bindArguments(program.name.text, s.span, s.arguments, parameters, diagnostics);
  std::map<std::string, Value> values;
  bool bad = !bound.good;
  for (auto &[name, argument] : bound.given) {
    values[name] = evaluate(*argument->value, environment, in);
    bad |= values[name].bad();
  }
  if (bad || in.bad)
    return poisoned(in);
  auto body = compiler.activation(program, values, s.span);
  if (!body)
    return poisoned(in);
  const std::string &kind = program.name.text;
  return push(s, nameFor(s, kind, scope), kind, ActivationLayer{*body}, {in.layer}, in.shape);
}

void Elaboration::finish(const ast::Network &source, Current last) {
  if (last.layer < 0 || stopped)
    return;
  for (const Layer &layer : network.layers) {
    bool isSoftmax = std::holds_alternative<SoftmaxLayer>(layer.body);
    if (isSoftmax && (last.bad || &layer != &network.layers[size_t(last.layer)])) { // what is behind it may be wrong in its own right
      const Layer *next = &layer + 1;
      auto &d = diagnostics.report(Diag::SoftmaxLast, layer.span).label(layer.span, "this softmax is not");
      if (next < &network.layers.back() + 1)
        d.secondary(next->span, "`" + next->name + "` comes after it");
      d.help("remove the softmax, or what comes after it");
      return;
    }
  }
  if (last.bad)
    return;
  ast::Step end = {};
  end.span = network.layers[size_t(last.layer)].span;
  Scope scope;
  for (const Layer &layer : network.layers)
    scope.taken.insert(layer.name);
  if (!last.shape.flat && (last.shape.height != 1 || last.shape.width != 1)) {
    diagnostics.report(Diag::NeedsFlat, end.span, {"the end of a network"})
        .label(end.span, "the last map is " + shapeText(last.shape))
        .help("end with `dense(classes) -> softmax`");
    return;
  }
  if (!std::holds_alternative<SoftmaxLayer>(network.layers[size_t(last.layer)].body)) { // logits, as PyTorch's cross_entropy takes them
    if (!last.shape.flat)
      last = flatten(end, last, scope, inserted("flatten", scope));
    last = push(end, inserted("softmax", scope), "softmax", SoftmaxLayer{}, {last.layer}, last.shape);
  }
  network.classes = last.shape.channels;
}

} // namespace cnnc
