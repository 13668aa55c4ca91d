// Network: the checked program, all names resolved, blocks expanded, every shape a number.
// In: made by check() from the AST.  Out: read by irgen (to make the cnn module), by `cnnc show` and by the description writer.
#pragma once

#include "compiler/support/Source.h"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace cnnc {

// ---- scalar programs: activations, optimisers, schedules ----

struct ScalarExpr;
using ScalarExprPtr = std::shared_ptr<const ScalarExpr>;

/// An expression over scalars. Names that are hyper-parameters are already numbers here.
struct ScalarExpr {
  enum class Kind {
    Number,   ///< value
    Variable, ///< name: "x" (activation), "param" "grad" "lr" "step" or a state or local (optimiser), "epoch" "epochs" (schedule)
    Call,     ///< name: + - * / % // ^ neg, < <= > >= == !=, and or not, and exp log log1p expm1 sqrt rsqrt abs sign tanh sigmoid
              ///< erf sin cos pow min max floor ceil; operands in args. In optimisers also norm: the root of the sum of squares of its
              ///< operand over all elements of the tensor; no norm stands inside
    Select,   ///< args: condition, then, else
  };
  Kind kind = Kind::Number;
  double value = 0;
  std::string name;
  std::vector<ScalarExprPtr> args;
  Span span;
};

/// y = body(x)
struct ActivationProgram {
  std::string name;
  ScalarExprPtr body;
};

/// States, then assignments in order; the last value of "param" is the new parameter. The final value of a state's name is its next value.
struct OptimizerProgram {
  struct State {
    std::string name;
    double init = 0;
  };
  struct Assign {
    std::string name;
    ScalarExprPtr value;
  };
  std::string name;                    ///< "sgd"
  double lr = 0;                       ///< the base learning rate; "lr" stays a variable in the body (schedule * base)
  std::map<std::string, double> args;  ///< every argument's value, for `info` and for the description
  std::vector<State> states;
  std::vector<Assign> body;            ///< with the arguments' values filled in
  std::vector<Assign> bodyNoDecay;     ///< the same with weight_decay = 0, for the parameters in no_decay
};

struct ScheduleProgram {
  std::string name; ///< "constant", "cosine", ...
  ScalarExprPtr factor;
};

// ---- layers ----

/// A feature map of one sample. Flat vectors have height = width = 1 and flat = true.
struct MapShape {
  int64_t channels = 0, height = 1, width = 1;
  bool flat = false;
};

struct Size2 {
  int64_t h = 1, w = 1;
};
/// Padding, resolved to numbers (`same`, `wide`, ... are gone).
struct Pads {
  int64_t top = 0, left = 0, bottom = 0, right = 0;
};

struct Init {
  std::string kind = "he_normal";
  std::vector<double> args;
};

/// A parameter or statistic, in PyTorch's shape and layout (conv OIHW, dense (out, in)).
struct Tensor {
  enum class Kind { Weight, Bias, RunningMean, RunningVar };
  std::string name; ///< "basic3.conv1.weight"
  Kind kind = Kind::Weight;
  std::vector<int64_t> shape;
  Init init;
  int64_t fanIn = 1, fanOut = 1;
  bool decay = true; ///< false: weight_decay leaves it alone
};

/// As descriptions and modules spell it.
inline const char *kindName(Tensor::Kind kind) {
  switch (kind) {
  case Tensor::Kind::Weight: return "weight";
  case Tensor::Kind::Bias: return "bias";
  case Tensor::Kind::RunningMean: return "running_mean";
  case Tensor::Kind::RunningVar: return "running_var";
  }
  return "";
}
inline bool isParameter(const Tensor &tensor) { return tensor.kind == Tensor::Kind::Weight || tensor.kind == Tensor::Kind::Bias; }

struct InputLayer {};
struct ConvLayer {
  int64_t filters = 0;
  Size2 kernel, stride, dilation;
  Pads pad;
  int64_t groups = 1;
  int weight = -1, bias = -1; ///< indices into Network::tensors; -1: none
};
struct PoolLayer {
  bool max = true;
  Size2 kernel, stride;
  Pads pad;            ///< as declared: avgpool with count_pad counts these cells
  Size2 ceilExtra{0, 0}; ///< rows and columns that ceil=true adds at the bottom and right: never counted
  bool countPad = true;
};
struct GlobalPoolLayer {
  bool max = false;
};
struct BatchNormLayer {
  double momentum = 0.1, eps = 1e-5;
  int weight = -1, bias = -1, runningMean = -1, runningVar = -1;
};
struct GroupNormLayer {
  int64_t groups = 1;
  double eps = 1e-5;
  int weight = -1, bias = -1;
};
/// Over all of channels, height, width of a sample, PyTorch's LayerNorm((C,H,W)); weight and bias have that shape.
/// overChannels: over the channels of each position alone; weight and bias have the shape (C).
struct LayerNormLayer {
  double eps = 1e-5;
  bool overChannels = false;
  int weight = -1, bias = -1;
};
/// y = x / (k + alpha/size * sum over `size` neighbouring channels of x^2)^beta, as PyTorch's LocalResponseNorm.
struct LrnLayer {
  int64_t size = 5;
  double alpha = 1e-4, beta = 0.75, k = 1;
};
struct DenseLayer {
  int64_t units = 0;
  int weight = -1, bias = -1; ///< the input is flat: the front end has put a FlattenLayer in front where it was not
};
struct DropoutLayer {
  double p = 0.5;
  bool spatial = false;   ///< drops whole channels
  bool perSample = false; ///< drop_path: drops whole samples
};
/// y = x * weight, one weight a channel (layer scale).
struct LayerScaleLayer {
  int weight = -1;
};
struct ActivationLayer {
  ActivationProgram program;
};
/// max(x,0) + w*min(x,0), one weight for all channels, as PyTorch's default.
struct PreluLayer {
  int weight = -1;
};
struct FlattenLayer {};
struct SoftmaxLayer {};
struct AddLayer {};    ///< all inputs have one shape
struct ConcatLayer {}; ///< along channels
struct GateLayer {};   ///< input 0: a map; input 1: one factor per channel (flat, or 1x1)

using LayerBody =
    std::variant<InputLayer, ConvLayer, PoolLayer, GlobalPoolLayer, BatchNormLayer, GroupNormLayer, LayerNormLayer, LrnLayer,
                 DenseLayer, DropoutLayer, ActivationLayer, PreluLayer, LayerScaleLayer, FlattenLayer, SoftmaxLayer, AddLayer, ConcatLayer, GateLayer>;

struct Layer {
  std::string name; ///< "conv1", "basic3.conv1"
  std::string kind; ///< "conv", "depthwise", "relu", ... as written
  LayerBody body;
  std::vector<int> inputs; ///< indices of earlier layers
  MapShape output;
  std::string formula; ///< the formula filled in, for `show`; empty where there is none
  int64_t macs = 0;    ///< multiply-adds of one sample
  Span span;
};

/// Where a block is used: its layers point into the block.
struct BlockUse {
  std::string name, block; ///< "basic3", "basic"
  MapShape output;
  Span span;
};

// ---- data and training ----

struct DataSource {
  std::string reader; ///< "idx"
  std::vector<std::string> files;
};
struct Augmentation {
  std::string name;
  std::vector<double> args;
};
struct Data {
  std::string root;
  std::optional<DataSource> train, test, val;
  double valSplit = 0; ///< 0: none
  std::vector<std::string> classes;
  bool normalizeAuto = false;
  std::vector<double> mean, std; ///< explicit normalisation, per channel
  std::vector<Augmentation> augment;
  Span span;
  std::string resize = "stretch"; ///< pictures of another size: or "crop", "pad"
};

/// The learning rate falls by `factor` when the measure has not been better for `patience` epochs, as PyTorch's ReduceLROnPlateau has it.
struct Plateau {
  std::string metric = "val.loss"; ///< a loss shall fall, an accuracy rise
  double factor = 0.1;
  int64_t patience = 10, cooldown = 0; ///< epochs
  double threshold = 1e-4;             ///< relative to the best
  double floor = 0;                    ///< of the factors' product
};

/// BF16x3: everything is f32, and what tiles of bf16 multiply is three products of them.
enum class Precision { F32, F64, BF16, BF16x3 };
/// "f32", "f64", "bf16", "bf16x3", and back; F32 for any other name.
const char *nameOf(Precision precision);
Precision precisionOf(const std::string &name);

/// `load "stem.safetensors" for stem`: weights that training begins with.
struct Load {
  std::string file;
  std::string target; ///< a layer, a use of a block or a tensor; empty: all that fits
  Span span;
};

struct Train {
  int64_t epochs = 10, batch = 128;
  std::string loss = "cross_entropy";
  double smoothing = 0;                   ///< of cross_entropy
  std::vector<double> classWeights;       ///< of cross_entropy; empty: all 1
  std::map<std::string, double> lossArgs; ///< huber: delta; focal: gamma; hinge: margin
  OptimizerProgram optimizer;
  ScheduleProgram schedule;
  std::optional<Plateau> plateau; ///< on top of the schedule
  enum class Clip { None, Norm, Value } clip = Clip::None;
  double clipLimit = 0;
  Precision precision = Precision::F32;
  std::string keepMetric; ///< "val.accuracy"; empty: keep the last alone
  std::string stopMetric; ///< "val.loss"; empty: never
  int64_t stopEpochs = 0;
  std::vector<Load> loads;         ///< in order: later ones win
  std::vector<std::string> freeze; ///< layers, uses of blocks and tensors that training leaves as they are
  uint64_t seed = 1;
};

struct Network {
  std::string name;
  MapShape input;
  std::vector<Layer> layers;   ///< in order: an input stands before its user; the last one is the output
  std::vector<BlockUse> uses;
  std::vector<Tensor> tensors; ///< parameters and statistics in the order in which the source creates them
  int64_t classes = 0;         ///< length of the last layer's output
  std::optional<Data> data;
  Train train;
};

/// Indices of a layer's parameters in Network::tensors.
std::vector<int> parametersOf(const Layer &layer);
/// Elements of all of them.
int64_t parameterCount(const Network &network, const Layer &layer);
int64_t elementsOf(const Tensor &tensor);
/// Is the tensor this scope (a layer, the use of a block) or inside of it? "conv1.weight" belongs to conv1, not to conv.
bool belongsTo(const Tensor &tensor, const std::string &scope);

} // namespace cnnc
