// The words of data, train and tune blocks: their entries, what the values of these begin with, and what that takes.
// In: the names of a block and an entry.  Out: lists of words, for the checks and for editors alike.
#include "compiler/frontend/Entries.h"

namespace cnnc {
namespace {

template <typename T> std::vector<std::string> namesOf(const std::map<std::string, T> &table) {
  std::vector<std::string> names;
  for (auto &[name, unused] : table)
    names.push_back(name);
  return names;
}

const std::map<std::string, LossArgument> &losses() {
  static const std::map<std::string, LossArgument> table = {
      {"cross_entropy", {}}, {"mse", {}}, {"mae", {}}, {"bce", {}}, {"huber", {"delta", 1, 0}}, {"hinge", {"margin", 1, 0}},
      {"focal", {"gamma", 2, 1}}, // below 1 the derivative has no bound where the network is sure
  };
  return table;
}

/// The entries whose values begin with fixed words, by "block.entry".
const std::map<std::string, std::vector<std::string>> &fixedWords() {
  static const std::map<std::string, std::vector<std::string>> table = {
      {"train.clip", {"norm", "value", "none"}},
      {"train.precision", {"f32", "f64", "bf16", "bf16x3"}},
      {"train.no_decay", {"bias", "batchnorm", "groupnorm", "layernorm", "layer_scale", "prelu", "none"}},
      {"train.keep", {"best", "last"}},
      {"train.stop", {"no_better", "none"}},
      {"data.normalize", {"auto", "none"}},
      {"data.resize", {"stretch", "crop", "pad"}},
      {"tune.metric", {"maximize", "minimize"}},
  };
  return table;
}

} // namespace

const std::vector<std::string> &entryNames(const std::string &section) {
  static const std::map<std::string, std::vector<std::string>> table = {
      {"data", {"root", "train", "test", "val", "classes", "normalize", "augment", "resize"}},
      {"train", {"epochs", "batch", "loss", "optimizer", "schedule", "no_decay", "clip", "precision", "keep", "stop", "load", "freeze", "seed"}},
      {"tune", {"metric", "trials"}},
  };
  return table.at(section);
}

std::vector<std::string> entryWords(const std::string &section, const std::string &entry, const Definitions &definitions) {
  if (auto fixed = fixedWords().find(section + "." + entry); fixed != fixedWords().end())
    return fixed->second;
  if (section == "train" && entry == "loss")
    return namesOf(losses());
  if (section == "train" && entry == "optimizer")
    return namesOf(definitions.optimizers);
  if (section == "train" && entry == "schedule") {
    std::vector<std::string> names = namesOf(definitions.schedules);
    names.insert(names.end(), {"warmup", "plateau"});
    return names;
  }
  std::vector<std::string> words;
  if (section == "data" && (entry == "train" || entry == "test" || entry == "val"))
    words = readerNames();
  if (section == "data" && entry == "val")
    words.insert(words.end(), {"split", "none"});
  if (section == "tune" && entry != "trials")
    words = {"uniform", "log_uniform", "choice", "integer"};
  return words;
}

std::vector<ParameterSpec> entryParameters(const std::string &word, const Definitions &definitions) {
  if (word == "cross_entropy")
    return {{"smoothing", false, "0"}, {"weights", false, ""}};
  if (losses().count(word) && !lossArgument(word).name.empty())
    return {{lossArgument(word).name, false, numberText(lossArgument(word).otherwise)}};
  if (word == "warmup")
    return {{"schedule", true}, {"epochs", true}, {"start", false, "0"}};
  if (word == "plateau")
    return {{"metric", false, "val.loss"}, {"factor", false, "0.1"}, {"patience", false, "10"}, {"threshold", false, "1e-4"},
            {"cooldown", false, "0"},      {"floor", false, "0"},    {"schedule", false, "constant"}};
  if (word == "no_better")
    return {{"metric", true}, {"epochs", true}};
  std::vector<ParameterSpec> parameters;
  for (auto *table : {&definitions.optimizers, &definitions.schedules})
    if (auto program = table->find(word); program != table->end())
      for (const ast::Parameter &p : program->second->parameters)
        parameters.push_back({p.name.text, p.value == nullptr});
  return parameters;
}

const std::vector<std::string> &metricNames() {
  static const std::vector<std::string> names = {"val.accuracy", "val.loss", "train.accuracy", "train.loss", "test.accuracy", "test.loss"};
  return names;
}

const std::vector<std::string> &readerNames() {
  static const std::vector<std::string> names = {"idx", "folder", "cifar10", "cifar100", "csv", "npy"};
  return names;
}

const LossArgument &lossArgument(const std::string &loss) { return losses().at(loss); }

const std::vector<AugmentationSpec> &augmentations() {
  static const std::vector<AugmentationSpec> specs = {{"hflip", 0, 1},  {"vflip", 0, 1},      {"shift", 1, 2},    {"rotate", 1, 1}, {"crop", 1, 2},
                                                      {"scale", 1, 2},  {"brightness", 1, 1}, {"contrast", 1, 1}, {"noise", 1, 1},  {"cutout", 1, 2},
                                                      {"erase", 0, 1},  {"saturation", 1, 1}, {"hue", 1, 1},      {"shear", 1, 1},  {"randaugment", 0, 2},
                                                      {"mixup", 0, 2},  {"cutmix", 0, 2}};
  return specs;
}

} // namespace cnnc
