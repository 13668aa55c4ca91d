// Random changes of training images.
// In: the steps of `augment`, in order.  Out: each applied with numbers of its own; what moves in from outside is black, as in torchvision.
#include "runtime/data/Augment.h"
#include "runtime/Failure.h"
#include "runtime/params/Philox.h"
#include <algorithm>
#include <cmath>
#include <cstring>

namespace rt {

namespace {
struct Step {
  const uint8_t *from;
  uint8_t *to;
  int64_t H, W, C;
  const std::vector<double> &args;
  const Philox &philox;
  uint32_t draw; ///< the step's block of random numbers
};
} // namespace

/// to[h][w] = from[h + dy][w + dx].
static void move(const Step &s, int64_t dy, int64_t dx) {
  std::memset(s.to, 0, size_t(s.H * s.W * s.C));
  const int64_t first = std::max<int64_t>(0, -dx), last = std::min(s.W, s.W - dx);
  for (int64_t h = std::max<int64_t>(0, -dy); h < std::min(s.H, s.H - dy); ++h)
    if (last > first)
      std::memcpy(s.to + (h * s.W + first) * s.C, s.from + ((h + dy) * s.W + first + dx) * s.C, size_t((last - first) * s.C));
}

static void hflip(const Step &s) {
  double u[2];
  s.philox.uniformPair(s.draw, u);
  const bool flip = u[0] < (s.args.empty() ? 0.5 : s.args[0]);
  if (!flip) {
    std::memcpy(s.to, s.from, size_t(s.H * s.W * s.C));
    return;
  }
  for (int64_t h = 0; h < s.H; ++h)
    for (int64_t w = 0; w < s.W; ++w)
      for (int64_t c = 0; c < s.C; ++c)
        s.to[(h * s.W + w) * s.C + c] = s.from[(h * s.W + s.W - 1 - w) * s.C + c];
}

/// shift(n): each axis by a whole number in -n..n.  crop(pad) is the same: pad all around, then cut a window of the old size.
static void shift(const Step &s) {
  const int64_t n = s.args.empty() ? 0 : int64_t(s.args[0]);
  double u[2];
  s.philox.uniformPair(s.draw, u);
  move(s, int64_t(u[0] * double(2 * n + 1)) - n, int64_t(u[1] * double(2 * n + 1)) - n);
}

/// rotate(d): about the centre by an angle in -d..d degrees, bilinear.
static void rotate(const Step &s) {
  double u[2];
  s.philox.uniformPair(s.draw, u);
  const double angle = (2 * u[0] - 1) * (s.args.empty() ? 0 : s.args[0]) * M_PI / 180;
  const double cosine = std::cos(angle), sine = std::sin(angle), cy = double(s.H - 1) / 2, cx = double(s.W - 1) / 2;
  auto at = [&](int64_t h, int64_t w, int64_t c) -> double {
    return h < 0 || w < 0 || h >= s.H || w >= s.W ? 0 : s.from[(h * s.W + w) * s.C + c];
  };
  for (int64_t h = 0; h < s.H; ++h)
    for (int64_t w = 0; w < s.W; ++w) {
      const double y = cy + (double(h) - cy) * cosine - (double(w) - cx) * sine, x = cx + (double(h) - cy) * sine + (double(w) - cx) * cosine;
      const int64_t y0 = int64_t(std::floor(y)), x0 = int64_t(std::floor(x));
      const double fy = y - double(y0), fx = x - double(x0);
      for (int64_t c = 0; c < s.C; ++c) {
        const double v = (1 - fy) * ((1 - fx) * at(y0, x0, c) + fx * at(y0, x0 + 1, c)) +
                         fy * ((1 - fx) * at(y0 + 1, x0, c) + fx * at(y0 + 1, x0 + 1, c));
        s.to[(h * s.W + w) * s.C + c] = uint8_t(std::clamp(std::floor(v + 0.5), 0.0, 255.0));
      }
    }
}

static const std::pair<const char *, void (*)(const Step &)> known[] = {
    {"hflip", hflip}, {"shift", shift}, {"crop", shift}, {"rotate", rotate}};

Augment::Augment(const Description &d, uint64_t seed) : H(d.height), W(d.width), C(d.channels), seed(seed) {
  if (d.data)
    steps = d.data->augment;
  for (const Augmentation &step : steps) {
    const bool found = std::any_of(std::begin(known), std::end(known), [&](auto &k) { return step.name == k.first; });
    if (!found)
      fail(Exit::badModel, "this runtime has no augmentation '{}'; it has hflip, shift, crop, rotate", printable(step.name));
    for (double value : step.args)
      if (!(value >= 0 && value <= 65536))
        fail(Exit::badModel, "{}({}) is out of range", step.name, value);
  }
}

void Augment::apply(uint8_t *image, uint8_t *scratch, uint64_t epoch, uint64_t sample) const {
  // Epochs in the upper half: 2^32 samples and as many epochs have numbers of their own.
  const Philox philox(seed, Draw::augment, epoch << 32 | (sample & 0xffffffffu));
  for (size_t i = 0; i < steps.size(); ++i) {
    for (auto &[name, change] : known)
      if (steps[i].name == name)
        change({image, scratch, H, W, C, steps[i].args, philox, uint32_t(i)});
    std::memcpy(image, scratch, size_t(H * W * C));
  }
}

} // namespace rt
