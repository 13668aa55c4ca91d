// What the words of the language are for, and how they are called.
// In: a name.  Out: a sentence, a signature.
#include "compiler/frontend/Arguments.h"
#include "compiler/frontend/Elaborate.h"
#include "compiler/frontend/Entries.h"
#include "compiler/lsp/Features.h"

namespace cnnc {
namespace {

const std::map<std::string, const char *> &summaries() {
  static const std::map<std::string, const char *> table = {
      {"input", "The shape of one sample: channels, height, width. A network begins with it."},
      {"conv", "Convolution. O = floor((W - K_eff + P_before + P_after)/S) + 1 with K_eff = D(K - 1) + 1, on each axis."},
      {"depthwise", "Convolution of each channel alone: `multiplier` filters a channel."},
      {"maxpool", "The largest value of each window. The stride is the kernel where none is given."},
      {"avgpool", "The mean of each window. `count_pad=false` leaves the padding out of it."},
      {"global_avgpool", "The mean of each channel: C x 1 x 1."},
      {"global_maxpool", "The largest value of each channel: C x 1 x 1."},
      {"adaptive_avgpool", "The mean of as many equal windows as `size` says; it must divide the map."},
      {"flatten", "A map as one vector, channels first. dense does it by itself."},
      {"batchnorm", "Normalises each channel by the batch's mean and variance, and in evaluation by their running means."},
      {"groupnorm", "Normalises groups of channels of a sample."},
      {"layernorm", "Normalises a sample over channels, height and width; `over=channels`: each position over its channels."},
      {"lrn", "Local response normalisation: y = x/(k + alpha/size * sum of x^2 over neighbouring channels)^beta."},
      {"dense", "Every output from every input. A map is flattened in front of it."},
      {"dropout", "In training sets values to 0 with probability p and divides the others by 1 - p; `spatial=true`: whole channels."},
      {"drop_path", "In training sets whole samples to 0 with probability p: stochastic depth, at the end of a residual."},
      {"layer_scale", "Multiplies each channel by a weight that is learnt and begins with `init`."},
      {"prelu", "max(x, 0) + w min(x, 0) with one weight that is learnt."},
      {"softmax", "Probabilities; the last layer. With cross_entropy the two are one stable loss."},
      {"concat", "Joins the map with those named by `let`, along the channels."},
      {"add", "Adds the maps named by `let` to the map."},
      {"residual", "Adds the map to what its body makes of it: `residual { ... } shortcut if CONDITION { ... }`."},
      {"shortcut", "What the map goes through beside the body of a residual."},
      {"gate", "Multiplies each channel of the map by a factor that its body computes."},
      {"branch", "Sends the map several ways and joins them: `branch concat { { ... } { ... } }`, or `branch add`."},
      {"repeat", "`repeat N { ... }`: the layers N times, each with its own weights."},
      {"for", "`for NAME in LIST { ... }`: the layers once for each value."},
      {"if", "`if CONDITION { ... } else { ... }`: chooses layers when the network is compiled."},
      {"let", "`let NAME = it` names the map, for concat(NAME) and add(NAME)."},
      {"param", "A hyper-parameter: `param width = 32`; `cnnc -P width=64` sets it."},
      {"network", "`network NAME { input(C, H, W) ... }`"},
      {"block", "Layers with a name and parameters: `block NAME(a, b=1) { ... }`"},
      {"data", "What the network is trained on."},
      {"train", "How the network is trained."},
      {"tune", "What a search over params tries."},
      {"activation", "A function of each value: `activation NAME(x, a=1) = ...`. The compiler makes its derivative."},
      {"optimizer", "A step of training: `optimizer NAME(lr) { state v = 0  param = param - lr * grad }`"},
      {"schedule", "The factor of the learning rate: `schedule NAME(a) = ...` of `epoch` and `epochs`."},
      {"import", "`import \"blocks.cnn\"`: what another file beside this one defines."},
      {"root", "The folder that the files of the data block are in."},
      {"test", "The source of the test set."},
      {"val", "The validation set: split(0.1) of the training set, or a source of its own."},
      {"classes", "The names of the classes, in their order."},
      {"normalize", "auto: mean and deviation of the training set; or (mean=[...], std=[...])."},
      {"augment", "What is done to each image of training: `augment { hflip -> shift(2) }`"},
      {"resize", "What becomes of pictures of another size: stretch, crop or pad."},
      {"epochs", "How often training goes through the training set."},
      {"batch", "Samples in a step."},
      {"loss", "What training makes small."},
      {"no_decay", "Parameters that weight_decay leaves alone: [bias, batchnorm]"},
      {"clip", "norm(limit) or value(limit): bounds the gradients."},
      {"precision", "f32, f64, bf16, or bf16x3: f32 whose products are three of bf16."},
      {"keep", "best(METRIC): the checkpoint that is kept beside the last one."},
      {"stop", "no_better(METRIC, epochs=N): ends training early."},
      {"load", "`load \"stem.safetensors\" for stem`: weights that training begins with, of one layer or block or of all that fit; later ones win."},
      {"freeze", "[stem, basic1.conv1]: layers and blocks that training leaves as they are."},
      {"seed", "Of initial weights, order and augmentation."},
      {"metric", "What the search makes large or small: maximize(test.accuracy)."},
      {"trials", "How many settings the search tries."},
      {"warmup", "A linear rise of the learning rate before another schedule."},
      {"plateau", "The learning rate falls by `factor` when the metric has not been better for `patience` epochs."},
  };
  return table;
}

std::string joined(const std::string &name, const std::vector<std::string> &parameters) {
  std::string text;
  for (const std::string &p : parameters)
    text += (text.empty() ? "" : ", ") + p;
  return name + "(" + text + ")";
}

std::vector<std::string> written(const std::vector<ast::Parameter> &parameters) {
  std::vector<std::string> list;
  for (const ast::Parameter &p : parameters)
    list.push_back(p.name.text + (p.value ? "=" + sourceOf(*p.value) : ""));
  return list;
}

} // namespace

std::string summaryOf(const std::string &word) {
  auto it = summaries().find(word);
  return it == summaries().end() ? "" : it->second;
}

std::string sourceOf(const ast::Expr &e) {
  constexpr size_t most = 60;
  if (!e.span.file || !e.span.line)
    return "...";
  std::string line = lineText(*e.span.file, e.span.line);
  std::string text = e.span.column <= line.size() ? line.substr(e.span.column - 1, e.span.length) : "";
  return text.size() > most ? text.substr(0, most) + "..." : text;
}

std::string signatureOf(const std::string &name, const Definitions &definitions) {
  if (name == "concat" || name == "add")
    return name + "(map, ...)";
  std::vector<ParameterSpec> specs;
  if (const auto *layer = layerParameters(name))
    specs = *layer;
  else if (auto block = definitions.blocks.find(name); block != definitions.blocks.end())
    return joined(name, written(block->second->parameters));
  else if (auto program = definitions.activations.find(name); program != definitions.activations.end()) {
    std::vector<std::string> parameters = written(program->second->parameters);
    return joined(name, {parameters.begin() + !parameters.empty(), parameters.end()}); // the first one is the map
  } else {
    for (auto *table : {&definitions.optimizers, &definitions.schedules})
      if (auto program = table->find(name); program != table->end())
        return joined(name, written(program->second->parameters));
    specs = name.empty() ? specs : entryParameters(name, definitions);
    if (specs.empty())
      return "";
  }
  std::vector<std::string> parameters;
  for (const ParameterSpec &p : specs)
    parameters.push_back(p.name + (p.otherwise.empty() ? "" : "=" + p.otherwise));
  return joined(name, parameters);
}

} // namespace cnnc
