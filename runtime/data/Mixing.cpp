// Mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019).
// In: the seed, the epoch, the sample.  Out: what becomes of it.
#include "runtime/data/Mixing.h"
#include "runtime/Failure.h"
#include "runtime/params/Philox.h"
#include <algorithm>

namespace rt {

namespace {
/// Which random numbers serve what: the first words of a sample's stream, then one run of blocks for each of the two gammas.
enum : uint32_t { choiceDraw, partnerDraw, placeDraw, firstGamma, gammaRun = 1u << 20 };
} // namespace

Mixing::Mixing(const Description &d, uint64_t seed) : H(d.height), W(d.width), C(d.channels), seed(seed) {
  constexpr double mixupAlpha = 0.2, cutmixAlpha = 1; // of the papers, for ImageNet
  constexpr double least = 0.01, most = 1000;
  for (const Augmentation &step : d.data ? d.data->augment : std::vector<Augmentation>()) {
    if (step.name != "mixup" && step.name != "cutmix")
      continue;
    const bool cut = step.name == "cutmix";
    const Rule rule{step.args.empty() ? (cut ? cutmixAlpha : mixupAlpha) : step.args[0], step.args.size() > 1 ? step.args[1] : 1};
    if (!(rule.alpha >= least && rule.alpha <= most))
      fail(Exit::badModel, "{}({}): alpha must lie between {} and {}", step.name, rule.alpha, least, most);
    if (!(rule.p >= 0 && rule.p <= 1))
      fail(Exit::badModel, "{}({}, {}): the chance must lie between 0 and 1", step.name, rule.alpha, rule.p);
    (cut ? cutmix : mixup) = rule;
  }
}

/// The logarithm of a gamma deviate: Marsaglia and Tsang 2000, of shape + 1, times U^(1/shape), which may be too small for a double itself.
static double logGamma(const Philox &philox, uint32_t first, double shape) {
  const double d = shape + 1 - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  double u[2], boost[2];
  philox.uniformPair(first, boost);
  for (uint32_t i = first + 1;; i += 2) {
    double x[2];
    philox.normalPair(i, x);
    philox.uniformPair(i + 1, u);
    const double v = std::pow(1 + c * x[0], 3);
    if (1 + c * x[0] > 0 && std::log(1 - u[0]) < x[0] * x[0] / 2 + d - d * v + d * std::log(v))
      return std::log(d * v) + std::log(1 - boost[0]) / shape;
  }
}

Blend Mixing::blend(uint64_t epoch, uint64_t sample, int64_t n) const {
  const Philox philox(seed, Draw::mix, epoch << 32 | (sample & 0xffffffffu));
  double choice[2];
  philox.uniformPair(choiceDraw, choice);
  Blend b;
  b.cut = cutmix && (!mixup || choice[0] < 0.5);
  const Rule &rule = b.cut ? *cutmix : *mixup;
  b.partner = int64_t(philox.below(partnerDraw, uint64_t(n)));
  if (choice[1] >= rule.p) {
    b.cut = false;
    return b;
  }
  b.share = 1 / (1 + std::exp(logGamma(philox, firstGamma + gammaRun, rule.alpha) - logGamma(philox, firstGamma, rule.alpha)));
  if (!b.cut)
    return b;
  // A rectangle of the picture's proportions and (1 - share) of its area, about a point anywhere, cut off at the border.
  double place[2];
  philox.uniformPair(placeDraw, place);
  const double side = std::sqrt(1 - b.share);
  auto range = [&](int64_t extent, double at, int64_t &begin, int64_t &end) {
    const int64_t length = int64_t(double(extent) * side), centre = int64_t(at * double(extent));
    begin = std::clamp<int64_t>(centre - length / 2, 0, extent);
    end = std::clamp<int64_t>(centre - length / 2 + length, 0, extent);
  };
  range(H, place[0], b.top, b.bottom);
  range(W, place[1], b.left, b.right);
  b.share = 1 - double((b.bottom - b.top) * (b.right - b.left)) / double(H * W);
  return b;
}

} // namespace rt
