// The description of a model that its trainer carries (runtime/abi.h).
// In: Network, the tensors of @train_step.  Out: JSON.
#include "compiler/driver/Description.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA256.h"

#include <map>
#include <nlohmann/json.hpp>

using nlohmann::json;

namespace cnnc {
namespace {

json sourceOf(const std::optional<DataSource> &source) {
  if (!source)
    return nullptr;
  return {{"reader", source->reader}, {"files", source->files}};
}

json dataOf(const Network &network) {
  if (!network.data)
    return nullptr;
  const Data &d = *network.data;
  json augment = json::array();
  for (const Augmentation &a : d.augment)
    augment.push_back({{"name", a.name}, {"args", a.args}});
  json normalize = nullptr;
  if (d.normalizeAuto)
    normalize = "auto";
  else if (!d.mean.empty())
    normalize = {{"mean", d.mean}, {"std", d.std}};
  json val = d.val ? sourceOf(d.val) : d.valSplit > 0 ? json{{"split", d.valSplit}} : json(nullptr);
  return {{"root", d.root}, {"train", sourceOf(d.train)}, {"test", sourceOf(d.test)}, {"val", val}, {"class_names", d.classes},
          {"normalize", normalize}, {"augment", augment}, {"resize", d.resize.empty() ? "stretch" : d.resize}};
}

const char *best(const std::string &metric) { return metric.find("loss") != std::string::npos ? "min" : "max"; }

json plateauOf(const Plateau &p) {
  return {{"metric", p.metric}, {"best", best(p.metric)}, {"factor", p.factor}, {"patience", p.patience}, {"cooldown", p.cooldown},
          {"threshold", p.threshold}, {"floor", p.floor}};
}

json trainOf(const Train &t) {
  json train = {{"epochs", t.epochs},
          {"optimizer", {{"name", t.optimizer.name}, {"lr", t.optimizer.lr}, {"args", t.optimizer.args}}},
          {"schedule", !t.plateau ? t.schedule.name : t.schedule.name == "constant" ? "plateau" : "plateau on " + t.schedule.name},
          {"loss", {{"kind", t.loss}, {"smoothing", t.smoothing}, {"weights", t.classWeights}, {"args", t.lossArgs}}},
          {"keep", t.keepMetric.empty() ? json(nullptr) : json{{"metric", t.keepMetric}, {"best", best(t.keepMetric)}}},
          {"stop", t.stopMetric.empty() ? json(nullptr) : json{{"metric", t.stopMetric}, {"epochs", t.stopEpochs}}},
          {"seed", t.seed}};
  if (t.plateau)
    train["plateau"] = plateauOf(*t.plateau);
  for (const Load &load : t.loads)
    train["load"].push_back({{"file", load.file}, {"for", load.target}, {"at", position(load.span)}});
  if (!t.freeze.empty())
    train["freeze"] = t.freeze;
  return train;
}

/// A number, the variable "x", or ["operator", operand...]; "select" is condition, then, else.
json expressionOf(const ScalarExpr &e) {
  if (e.kind == ScalarExpr::Kind::Number)
    return e.value;
  if (e.kind == ScalarExpr::Kind::Variable)
    return e.name;
  json list = json::array({e.kind == ScalarExpr::Kind::Select ? std::string("select") : e.name});
  for (const ScalarExprPtr &argument : e.args)
    list.push_back(expressionOf(*argument));
  return list;
}

/// What a layer computes, whatever word the source used for it: "op" and its attributes.
class Attributes {
public:
  explicit Attributes(const Network &network) : network(network) {}
  json operator()(const InputLayer &) const { return {{"op", "input"}}; }
  json operator()(const ConvLayer &l) const {
    return {{"op", "conv"}, {"kernel", size(l.kernel)}, {"stride", size(l.stride)}, {"dilation", size(l.dilation)}, {"pads", pads(l.pad)},
            {"groups", l.groups}, {"weight", tensor(l.weight)}, {"bias", tensor(l.bias)}};
  }
  json operator()(const PoolLayer &l) const {
    return {{"op", l.max ? "maxpool" : "avgpool"}, {"kernel", size(l.kernel)}, {"stride", size(l.stride)}, {"pads", pads(l.pad)},
            {"ceil_extra", size(l.ceilExtra)}, {"count_pad", l.countPad}};
  }
  json operator()(const GlobalPoolLayer &l) const { return {{"op", l.max ? "global_maxpool" : "global_avgpool"}}; }
  json operator()(const BatchNormLayer &l) const {
    return {{"op", "batchnorm"}, {"eps", l.eps}, {"momentum", l.momentum}, {"weight", tensor(l.weight)}, {"bias", tensor(l.bias)},
            {"running_mean", tensor(l.runningMean)}, {"running_var", tensor(l.runningVar)}};
  }
  json operator()(const GroupNormLayer &l) const {
    return {{"op", "groupnorm"}, {"groups", l.groups}, {"eps", l.eps}, {"weight", tensor(l.weight)}, {"bias", tensor(l.bias)}};
  }
  json operator()(const LayerNormLayer &l) const {
    return {{"op", l.overChannels ? "layernorm_channels" : "layernorm"}, {"eps", l.eps}, {"weight", tensor(l.weight)}, {"bias", tensor(l.bias)}};
  }
  json operator()(const LrnLayer &l) const { return {{"op", "lrn"}, {"size", l.size}, {"alpha", l.alpha}, {"beta", l.beta}, {"k", l.k}}; }
  json operator()(const DenseLayer &l) const { return {{"op", "dense"}, {"weight", tensor(l.weight)}, {"bias", tensor(l.bias)}}; }
  json operator()(const DropoutLayer &l) const { return {{"op", "dropout"}, {"p", l.p}, {"spatial", l.spatial}}; }
  json operator()(const ActivationLayer &l) const {
    return {{"op", "activation"}, {"name", l.program.name}, {"expression", expressionOf(*l.program.body)}};
  }
  json operator()(const LayerScaleLayer &l) const { return {{"op", "layer_scale"}, {"weight", tensor(l.weight)}}; }
  json operator()(const PreluLayer &l) const { return {{"op", "prelu"}, {"weight", tensor(l.weight)}}; }
  json operator()(const FlattenLayer &) const { return {{"op", "flatten"}}; }
  json operator()(const SoftmaxLayer &) const { return {{"op", "softmax"}}; }
  json operator()(const AddLayer &) const { return {{"op", "add"}}; }
  json operator()(const ConcatLayer &) const { return {{"op", "concat"}}; }
  json operator()(const GateLayer &) const { return {{"op", "gate"}}; }

private:
  const Network &network;
  json tensor(int index) const { return index < 0 ? json(nullptr) : json(network.tensors[size_t(index)].name); }
  static json size(Size2 s) { return {s.h, s.w}; }
  static json pads(Pads p) { return {p.top, p.left, p.bottom, p.right}; }
};

json layersOf(const Network &network) {
  json layers = json::array();
  for (const Layer &l : network.layers)
    layers.push_back({{"name", l.name}, {"kind", l.kind}, {"output", {l.output.channels, l.output.height, l.output.width}},
                      {"formula", l.formula}, {"parameters", parameterCount(network, l)}, {"macs", l.macs},
                      {"flat", l.output.flat}, {"inputs", l.inputs}, {"attributes", std::visit(Attributes(network), l.body)}});
  return layers;
}

json tensorsOf(const Network &network, mlir::func::FuncOp step) {
  std::map<std::string, const Tensor *> byName;
  for (const Tensor &t : network.tensors)
    byName[t.name] = &t;
  json tensors = json::array();
  for (unsigned i = 0; i < step.getNumArguments(); ++i) {
    auto text = [&](const char *name) {
      auto a = step.getArgAttrOfType<mlir::StringAttr>(i, name);
      return a ? a.getValue().str() : std::string();
    };
    std::string role = text("cnn.role"), name = text("cnn.name");
    if (role != "parameter" && role != "statistic" && role != "state")
      continue;
    bool isState = role == "state";
    auto owner = byName.find(isState ? text("cnn.of") : name);
    if (owner == byName.end())
      continue;
    const Tensor &t = *owner->second;
    json entry = {{"name", name}, {"kind", isState ? "state" : kindName(t.kind)}, {"shape", t.shape}, {"of", isState ? t.name : ""}};
    auto block = step.getArgAttrOfType<mlir::IntegerAttr>(i, "cnn.block");
    entry["storage"] = block ? json{{"layout", "filter"}, {"block", block.getInt()}} : json{{"layout", "plain"}};
    if (isState) {
      auto init = step.getArgAttrOfType<mlir::FloatAttr>(i, "cnn.init");
      entry["init"] = {{"kind", "constant"}, {"fan_in", 1}, {"fan_out", 1}, {"args", {init ? init.getValueAsDouble() : 0.0}}};
    } else {
      entry["init"] = {{"kind", t.init.kind}, {"fan_in", t.fanIn}, {"fan_out", t.fanOut}, {"args", t.init.args}};
    }
    tensors.push_back(entry);
  }
  return tensors;
}

/// What the inference pass has left to the runtime.
json foldedOf(mlir::ModuleOp module) {
  json list = json::array();
  if (auto folded = module->getAttrOfType<mlir::ArrayAttr>("cnn.folded"))
    for (auto record : folded.getAsRange<mlir::DictionaryAttr>()) {
      json entry;
      for (mlir::NamedAttribute a : record)
        if (auto text = llvm::dyn_cast<mlir::StringAttr>(a.getValue()))
          entry[a.getName().str()] = text.getValue().str();
        else
          entry[a.getName().str()] = llvm::cast<mlir::FloatAttr>(a.getValue()).getValueAsDouble();
      list.push_back(entry);
    }
  return list;
}

} // namespace

std::string describe(const Network &network, const CompileOptions &options, mlir::ModuleOp module, const std::string &cpu) {
  auto step = module.lookupSymbol<mlir::func::FuncOp>("train_step");
  json d = {{"name", network.name},
            {"source_file", options.inputPath},
            {"compiler", "cnnc " CNNC_VERSION},
            {"source", options.sourceText},
            {"precision", nameOf(network.train.precision)},
            {"batch", network.train.batch},
            {"target", options.target},
            {"cpu", cpu},
            {"input", {network.input.channels, network.input.height, network.input.width}},
            {"classes", network.classes},
            {"seed", network.train.seed},
            {"layers", layersOf(network)},
            {"tensors", tensorsOf(network, step)},
            {"data", dataOf(network)},
            {"train", trainOf(network.train)}};
  // The definition: what must be equal for a checkpoint to fit. Not the text: a comment changes nothing.
  json definition = {d["layers"], d["tensors"], d["train"], d["precision"], d["batch"]};
  for (json &tensor : definition[1])
    tensor.erase("storage"); // of one machine, not of the network
  for (const char *entry : {"load", "freeze"}) // what a run begins with, and which tensors one part of it leaves alone: layers may be freed half way
    definition[2].erase(entry);
  auto digest = llvm::SHA256::hash(llvm::arrayRefFromStringRef(definition.dump()));
  d["hash"] = llvm::toHex(digest, true).substr(0, 32);
  if (options.inference) {
    d["folded"] = foldedOf(module);
    json &tensors = d["tensors"];
    tensors.erase(std::remove_if(tensors.begin(), tensors.end(), [](const json &t) { return t["kind"] == "state"; }), tensors.end());
  }
  return d.dump();
}

} // namespace cnnc
