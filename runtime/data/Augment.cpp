// Random changes of training images.
// In: the steps of `augment`, in order.  Out: each applied with numbers of its own.
#include "runtime/data/Augment.h"
#include "runtime/Failure.h"
#include "runtime/data/AugmentSteps.h"
#include <cstring>

namespace rt {

namespace {
struct Known {
  const char *name;
  void (*change)(const AugmentStep &);
  double most; ///< of every argument
};
} // namespace

static constexpr double longest = 65536;
static const Known known[] = {{"hflip", hflip, 1},           {"vflip", vflip, 1},           {"shift", shift, longest},    {"crop", shift, longest},
                              {"rotate", rotate, 180},       {"shear", shear, 80},          {"scale", scale, 10},         {"brightness", brightness, 10},
                              {"contrast", contrast, 10},    {"saturation", saturation, 10}, {"hue", hue, 0.5},           {"noise", noise, 1},
                              {"cutout", cutout, longest},   {"erase", erase, 1},           {"randaugment", randAugment, 30}};

Augment::Augment(const Description &d, uint64_t seed) : mixed(d, seed), H(d.height), W(d.width), C(d.channels), seed(seed) {
  constexpr size_t mostSteps = 64; // each has its own random numbers
  if (d.data)
    std::copy_if(d.data->augment.begin(), d.data->augment.end(), std::back_inserter(steps),
                 [](const Augmentation &step) { return step.name != "mixup" && step.name != "cutmix"; });
  if (steps.size() > mostSteps)
    fail(Exit::badModel, "augment has {} steps, {} are the most", steps.size(), mostSteps);
  for (const Augmentation &step : steps) {
    const auto found = std::find_if(std::begin(known), std::end(known), [&](auto &k) { return step.name == k.name; });
    if (found == std::end(known)) {
      std::string names;
      for (const Known &k : known)
        names += (names.empty() ? "" : ", ") + std::string(k.name);
      fail(Exit::badModel, "this runtime has no augmentation '{}'; it has {}", printable(step.name), names);
    }
    for (double value : step.args)
      if (!(value >= 0 && value <= found->most))
        fail(Exit::badModel, "{}({}) is out of range: 0 to {}", step.name, value, found->most);
  }
}

void Augment::apply(uint8_t *image, uint8_t *scratch, uint64_t epoch, uint64_t sample) const {
  // Epochs in the upper half: 2^32 samples and as many epochs have numbers of their own.
  const Philox philox(seed, Draw::augment, epoch << 32 | (sample & 0xffffffffu));
  for (size_t i = 0; i < steps.size(); ++i) {
    for (const Known &k : known)
      if (steps[i].name == k.name)
        k.change({image, scratch, H, W, C, steps[i].args, philox, uint32_t(i)});
    std::memcpy(image, scratch, size_t(H * W * C));
  }
}

} // namespace rt
