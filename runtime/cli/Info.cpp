// info: what this program is.
// In: the model's description; no generated code runs.  Out: text, or one JSON object.
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/device/Element.h"
#include "runtime/params/Description.h"
#include <nlohmann/json.hpp>

namespace rt {

using Json = nlohmann::ordered_json;

static int64_t parameterCount(const Description &d) {
  int64_t count = 0;
  for (const TensorInfo &t : d.tensors)
    count += t.trainable() ? t.elements : 0;
  return count;
}

static uint64_t tensorBytes(const cnn_model &model, const Description &d) {
  uint64_t bytes = 0;
  for (const TensorInfo &t : d.tensors)
    bytes += uint64_t(t.elements) * elementBytes(model.element_kind);
  return bytes;
}

/// "x86-64-v4 (in use) and x86-64-v3": of a program for several processors.
static std::string levels(const cnn_model &model, const Description &d) {
  const std::string cpu = model.cpu ? model.cpu : "?";
  if (d.cpu.find('+') == std::string::npos)
    return cpu;
  std::string text = "+" + d.cpu + "+", used = "+" + cpu + "+";
  text.insert(text.find(used) + used.size() - 1, " (in use)");
  text = text.substr(1, text.size() - 2);
  for (size_t at; (at = text.find('+')) != std::string::npos;)
    text.replace(at, 1, ", ");
  return text;
}

static void printJson(const cnn_model &model, const Description &d) {
  Json layers = Json::array(), parameters = Json::array();
  for (const LayerInfo &l : d.layers)
    layers.push_back({{"name", l.name}, {"kind", l.kind}, {"output", l.output}, {"formula", l.formula}, {"parameters", l.parameters}, {"macs", l.macs}});
  for (const TensorInfo &t : d.tensors)
    if (t.kind != TensorKind::state)
      parameters.push_back({{"name", t.name}, {"shape", t.shape}, {"kind", name(t.kind)}});
  Json loads = Json::array();
  for (const LoadRule &load : d.train.load)
    loads.push_back({{"file", load.file}, {"for", load.scope}});
  const Json object{
      {"name", d.name}, {"source_file", d.sourceFile}, {"hash", d.hash}, {"compiler", d.compiler}, {"precision", d.precision},
      {"target", d.target}, {"cpu", model.cpu ? model.cpu : ""}, {"compiled_for", d.cpu}, {"cpu_features", model.cpu_features ? model.cpu_features : ""},
      {"batch", d.batch}, {"input", {d.channels, d.height, d.width}}, {"classes", d.classes}, {"layers", layers}, {"parameters", parameters},
      {"parameter_count", parameterCount(d)},
      {"memory", {{"tensors", tensorBytes(model, d)}, {"train_arena", model.train_step.arena_bytes}, {"infer_arena", model.infer.arena_bytes},
                  {"infer_one_arena", model.infer_one.arena_bytes}, {"train_thread", model.train_step.local_bytes},
                  {"infer_thread", model.infer.local_bytes}}},
      {"train", {{"epochs", d.train.epochs}, {"optimizer", d.train.optimizer}, {"lr", d.train.lr}, {"schedule", d.train.schedule},
                 {"loss", d.train.loss.kind}, {"smoothing", d.train.loss.smoothing}, {"class_weights", d.train.loss.weights}, {"loss_args", d.train.loss.args}, {"load", loads}, {"freeze", d.train.freeze}, {"seed", d.train.seed}}}};
  fmt::print("{}\n", object.dump(2, ' ', false, Json::error_handler_t::replace));
}

static std::string shapeWithTimes(const std::vector<int64_t> &shape) {
  std::string text;
  for (int64_t extent : shape)
    text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

static void printText(const cnn_model &model, const Description &d) {
  size_t width = 5;
  for (const LayerInfo &l : d.layers)
    width = std::max(width, printable(l.name).size());
  fmt::print("{} from {}, {} batch {}, {} classes\n\n", d.name, printable(d.sourceFile), d.precision, d.batch, d.classes);
  fmt::print("{:<{}}  {:<14}  {:>12}  {:>10}  {:>12}  formula\n", "layer", width, "kind", "output", "parameters", "MACs");
  int64_t macs = 0;
  for (const LayerInfo &l : d.layers) {
    fmt::print("{:<{}}  {:<14}  {:>12}  {:>10}  {:>12}  {}\n", printable(l.name), width, l.kind, shapeWithTimes(l.output), l.parameters, l.macs,
               printable(l.formula));
    macs += l.macs;
  }
  const double mib = 1 << 20;
  fmt::print("\nparameters  {}\nMACs        {} an image\n", parameterCount(d), macs);
  fmt::print("memory      {:.1f} MiB tensors with optimiser states, {:.1f} MiB arena to train and {:.1f} MiB a thread, {:.1f} and {:.1f} MiB to infer a batch, {:.1f} MiB one image\n",
             double(tensorBytes(model, d)) / mib, double(model.train_step.arena_bytes) / mib, double(model.train_step.local_bytes) / mib,
             double(model.infer.arena_bytes) / mib, double(model.infer.local_bytes) / mib,
             double(model.infer_one.arena_bytes) / mib);
  fmt::print("training    {} epochs, {}, lr {}{}{}\n", d.train.epochs, d.train.optimizer, d.train.lr, d.train.schedule.empty() ? "" : ", schedule ",
             d.train.schedule);
  for (const LoadRule &load : d.train.load)
    fmt::print("begins with {}{}{}\n", printable(load.file), load.scope.empty() ? "" : " for ", load.scope);
  if (!d.train.freeze.empty())
    fmt::print("frozen      {}\n", fmt::join(d.train.freeze, ", "));
  fmt::print("compiled    by {} for {} ({})\ndefinition  {}\n", d.compiler, levels(model, d), d.target, d.hash);
}

int runInfo(const cnn_model &model, const Options &o) {
  const Description d = parseDescription(model);
  o.json ? printJson(model, d) : printText(model, d);
  return 0;
}

} // namespace rt
