// What a model says of itself, as plain structs.
// In: the JSON of cnn_model.description (abi.h states its form).  Out: a Description.
#pragma once
#include "runtime/abi.h"
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rt {

enum class TensorKind { weight, bias, runningMean, runningVar, state };
const char *name(TensorKind kind);

struct Storage {
  bool filter = false; ///< OIHW stored as [O/block][KH][KW][I][block]; otherwise row-major as the shape says
  int64_t block = 1;
};

struct Init {
  std::string kind;
  double fanIn = 0, fanOut = 0;
  std::vector<double> args;
};

struct TensorInfo {
  std::string name;
  TensorKind kind;
  std::vector<int64_t> shape;
  int64_t elements = 1;
  Storage storage;
  Init init;
  std::string of; ///< a state's parameter
  bool trainable() const { return kind == TensorKind::weight || kind == TensorKind::bias; }
};

struct LayerInfo {
  std::string name, kind, formula;
  std::vector<int64_t> output;
  int64_t parameters = 0, macs = 0;
  bool flat = false;
  std::vector<size_t> inputs;   ///< indices of earlier layers
  std::string attributes = "{}"; ///< JSON, as abi.h states; read by what walks the graph
};

struct Source {
  std::string reader;
  std::vector<std::string> files;
};

struct Augmentation {
  std::string name;
  std::vector<double> args;
};

struct DataInfo {
  enum class Normalize { none, automatic, given };
  std::string root;
  std::optional<Source> train, test, val;
  double valSplit = 0; ///< the part of train held out; 0: none
  std::vector<std::string> classNames;
  Normalize normalize = Normalize::none;
  std::vector<double> mean, std;
  std::vector<Augmentation> augment;
  std::string resize = "stretch"; ///< or "crop", "pad"
};

struct KeepRule {
  std::string metric; ///< e.g. "val.accuracy"
  bool max = true;
};
struct StopRule {
  std::string metric;
  int64_t epochs = 0;
};

struct LossInfo {
  std::string kind = "cross_entropy";
  double smoothing = 0;
  std::vector<double> weights; ///< one a class; empty: none
  std::map<std::string, double> args;
};

/// The learning rate falls where a metric has not been better for a while; the words and their meaning are those of PyTorch's ReduceLROnPlateau.
struct PlateauRule {
  std::string metric;
  bool max = false;
  double factor = 0.1, threshold = 1e-4, floor = 0;
  uint64_t patience = 10, cooldown = 0; ///< epochs
};

/// Weights that a run begins with, `load "stem.safetensors" for stem`.
struct LoadRule {
  std::string file;
  std::string scope; ///< of these tensors alone; empty: all
  std::string at;    ///< where the source says it, "lenet.cnn:20:8"; empty: the command line does
};

struct TrainInfo {
  int64_t epochs = 1;
  std::string optimizer, schedule;
  LossInfo loss;
  double lr = 0;
  std::optional<KeepRule> keep;
  std::optional<StopRule> stop;
  std::optional<PlateauRule> plateau;
  std::vector<LoadRule> load;      ///< in order: later ones win
  std::vector<std::string> freeze; ///< scopes of tensors that stay as they are
  uint64_t seed = 0;
};

/// A batch normalisation that inference code has left to the tensors (abi.h, "folded"); names.
struct FoldInfo {
  std::string filter, bias, scale, shift, mean, variance;
  double eps = 0;
};

/// Is a tensor of this name the scope itself or inside of it?  Of the empty scope every one is.
bool isIn(const std::string &tensor, const std::string &scope);
/// Which of the tensors are named `scope` or stand inside of it ("conv1.weight" in conv1, not in conv); where none does, those whose names begin so.
std::vector<bool> tensorsIn(const std::vector<TensorInfo> &tensors, const std::string &scope);

struct Description {
  std::string name, sourceFile, compiler, hash, source, precision, target, cpu;
  int64_t batch = 1, channels = 1, height = 1, width = 1, classes = 1;
  std::vector<LayerInfo> layers;
  std::vector<TensorInfo> tensors;
  std::vector<FoldInfo> folded; ///< of a program of --inference
  std::optional<DataInfo> data;
  TrainInfo train;
  std::vector<std::string> foundClassNames; ///< that data or a checkpoint brought, in force where the source has none

  int64_t imageElements() const { return channels * height * width; }
  std::string className(int64_t i) const;
  const TensorInfo *findTensor(const std::string &name) const;
};

/// Fails with Exit::badModel where the text is not what abi.h states.
Description parseDescription(const cnn_model &model);

} // namespace rt
