// check-gradients: are the generated gradients the derivatives of the loss?
// In: a model in f64, random parameters and data.  Out: the largest difference for each parameter; exit status 1 where one is too large.
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/cli/RandomBatch.h"
#include "runtime/params/Philox.h"
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace rt {

using Json = nlohmann::ordered_json;

namespace {
// Truncation grows as h^2, rounding as 1e-16 * loss / h: the sum is least near the cube root of the unit roundoff.
constexpr double relativeStep = 1e-5;
// Where the loss has a kink (relu, max) within h, halves of the interval disagree by more than this, or the slopes of the two sides, where
// it has one right here (a bias of 0 in front of a selu): no derivative to compare with.
constexpr double kink = 1e-3;
// Below it a gradient is compared absolutely: rounding alone gives differences of 1e-16 * loss / h, about 1e-11.
constexpr double smallest = 1e-4;
// Two differences without a kink agree to this, the second of a tenth of the step: 1e-16 * loss / 1e-6, relative to `smallest` or more.
constexpr double rounding = 1e-5;

struct Checked {
  int64_t compared = 0, kinks = 0;
  double worst = 0;
  int64_t worstAt = 0;
  double worstGradient = 0, worstDifference = 0;
};

/// One training step from the same parameters, statistics and optimiser states each time.
class Loss {
public:
  Loss(Program &program, uint64_t seed) : program(program), seed(seed) {
    for (size_t i = 0; i < program.tensors.infos().size(); ++i) {
      const char *from = static_cast<const char *>(program.tensors.pointers()[i]);
      initial.emplace_back(from, from + program.tensors.bytes(i));
    }
  }
  /// With `delta` added to element `at`, in storage order, of a tensor.
  double operator()(size_t tensor, int64_t at, double delta) {
    for (size_t i = 0; i < initial.size(); ++i)
      std::memcpy(program.tensors.pointers()[i], initial[i].data(), initial[i].size());
    static_cast<double *>(program.tensors.pointers()[tensor])[at] += delta;
    program.tensors.changed();
    const StepResult step = program.trainStep(program.description.train.lr, 1, seed);
    if (!step.finite)
      fail(Exit::runFailed, "the loss is {}", step.loss);
    return step.loss;
  }
  double value(size_t tensor, int64_t at) const { return reinterpret_cast<const double *>(initial[tensor].data())[at]; }

private:
  Program &program;
  uint64_t seed;
  std::vector<std::vector<char>> initial;
};
} // namespace

namespace {
struct Slope {
  double value, scale; ///< the scale is what differences are relative to
  bool kinked;
};
} // namespace

/// By central differences of h and h / 2 and Richardson's extrapolation, in which the error's h^2 cancels.
static Slope slope(Loss &loss, size_t tensor, int64_t at, double h, double here, double gradient) {
  const double up = loss(tensor, at, h), down = loss(tensor, at, -h), upHalf = loss(tensor, at, h / 2), downHalf = loss(tensor, at, -h / 2);
  const double whole = (up - down) / (2 * h), half = (upHalf - downHalf) / h, scale = std::max({std::abs(gradient), std::abs(half), smallest});
  // Right slope less left slope is a jump + h f''; f'' cancels between h and its half.
  const double jump = 2 * (upHalf - 2 * here + downHalf) / (h / 2) - (up - 2 * here + down) / h;
  return {(4 * half - whole) / 3, scale, std::max(std::abs(whole - half), std::abs(jump)) > kink * scale};
}

static Checked check(Loss &loss, size_t tensor, const std::vector<double> &gradient, const Options &o) {
  Checked result;
  const int64_t n = int64_t(gradient.size());
  const Philox philox(o.checkSeed, Draw::bench, 2 + tensor);
  const double here = loss(tensor, 0, 0);
  for (int i = 0; i < std::min<int64_t>(n, o.samples); ++i) {
    const int64_t at = n <= o.samples ? i : int64_t(philox.below(uint32_t(i), uint64_t(n)));
    const double h = relativeStep * std::max(1.0, std::abs(loss.value(tensor, at)));
    const double g = gradient[size_t(at)];
    Slope s = slope(loss, tensor, at, h, here, g);
    // Kinks too weak to be seen by themselves make differences of another width give another slope; a wrong gradient stays wrong.
    if (!s.kinked && std::abs(s.value - g) > o.tolerance * s.scale) {
      const Slope closer = slope(loss, tensor, at, h / 10, here, g);
      const bool right = std::abs(closer.value - g) <= o.tolerance * closer.scale, agree = std::abs(closer.value - s.value) <= rounding * closer.scale;
      s = {closer.value, closer.scale, closer.kinked || (!right && !agree)};
    }
    if (s.kinked) {
      ++result.kinks;
      continue;
    }
    ++result.compared;
    const double difference = std::abs(g - s.value) / s.scale;
    if (difference >= result.worst) {
      result.worst = difference;
      result.worstAt = at, result.worstGradient = g, result.worstDifference = s.value;
    }
  }
  return result;
}

int runCheckGradients(const cnn_model &model, const Options &o) {
  const Description d = parseDescription(model);
  if (model.element_kind != CNN_F64)
    fail(Exit::usage, "gradients are compared in f64, this program computes in {}; compile it with cnnc --precision f64 (a small --batch is enough)",
         d.precision);
  Program program(model, d, o.threads);
  program.tensors.initialise(o.checkSeed, program.device.pool);
  fillTrainingBatch(program, o.checkSeed);
  program.keepGradients();
  Loss loss(program, o.checkSeed);
  loss(0, 0, 0);
  std::vector<std::vector<double>> gradients(d.tensors.size());
  for (size_t i = 0; i < d.tensors.size(); ++i)
    if (const void *g = d.tensors[i].trainable() ? program.gradient(i) : nullptr)
      gradients[i].assign(static_cast<const double *>(g), static_cast<const double *>(g) + d.tensors[i].elements);
  bool good = true;
  Json list = Json::array();
  size_t width = 9;
  for (const TensorInfo &t : d.tensors)
    width = std::max(width, t.trainable() ? t.name.size() : 0);
  if (!o.json)
    fmt::print("{:<{}}  compared  kinks  worst relative difference\n", "parameter", width);
  for (size_t i = 0; i < d.tensors.size(); ++i) {
    if (gradients[i].empty())
      continue;
    const Checked c = check(loss, i, gradients[i], o);
    const bool passes = c.worst <= o.tolerance;
    good = good && passes;
    if (o.json)
      list.push_back({{"parameter", d.tensors[i].name}, {"compared", c.compared}, {"kinks", c.kinks}, {"worst", c.worst}, {"passes", passes}});
    else
      fmt::print("{:<{}}  {:>8}  {:>5}  {:.2e}{}\n", d.tensors[i].name, width, c.compared, c.kinks, c.worst,
                 passes ? "" : fmt::format("  WRONG: gradient {:.9g}, difference {:.9g}", c.worstGradient, c.worstDifference));
  }
  if (o.json)
    fmt::print("{}\n", Json{{"net", d.name}, {"tolerance", o.tolerance}, {"passes", good}, {"parameters", list}}.dump());
  else
    fmt::print("{} (tolerance {:g})\n", good ? "the gradients are right" : "the gradients are WRONG", o.tolerance);
  return int(good ? Exit::ok : Exit::runFailed);
}

} // namespace rt
