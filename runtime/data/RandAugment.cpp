// RandAugment: n changes out of 14, all of one strength.
// In: n, m of 30.  Out: the image after them.  Source: Cubuk et al. 2020; list and strengths as torchvision's RandAugment with 31 bins.
#include "runtime/data/AugmentSteps.h"
#include <cmath>
#include <cstring>

namespace rt {

static void posterize(const AugmentStep &s, int bits) {
  for (int64_t i = 0; i < s.H * s.W * s.C; ++i)
    s.to[i] = uint8_t(s.from[i] & (0xff << (8 - bits)));
}

static void solarize(const AugmentStep &s, double threshold) {
  for (int64_t i = 0; i < s.H * s.W * s.C; ++i)
    s.to[i] = s.from[i] >= threshold ? uint8_t(255 - s.from[i]) : s.from[i];
}

/// Every channel stretched to 0..255.
static void autocontrast(const AugmentStep &s) {
  for (int64_t c = 0; c < s.C; ++c) {
    int low = 255, high = 0;
    for (int64_t p = 0; p < s.H * s.W; ++p)
      low = std::min<int>(low, s.from[p * s.C + c]), high = std::max<int>(high, s.from[p * s.C + c]);
    for (int64_t p = 0; p < s.H * s.W; ++p)
      s.to[p * s.C + c] = high > low ? clampedByte((s.from[p * s.C + c] - low) * 255.0 / (high - low)) : s.from[p * s.C + c];
  }
}

/// The histogram of every channel made even, as PIL does.
static void equalize(const AugmentStep &s) {
  for (int64_t c = 0; c < s.C; ++c) {
    int64_t histogram[256] = {}, last = 0;
    for (int64_t p = 0; p < s.H * s.W; ++p)
      ++histogram[s.from[p * s.C + c]];
    for (int64_t count : histogram)
      last = count ? count : last;
    const int64_t step = (s.H * s.W - last) / 255;
    uint8_t table[256];
    int64_t sum = step / 2;
    for (int v = 0; v < 256; ++v) {
      table[v] = step ? uint8_t(std::min<int64_t>(255, sum / step)) : uint8_t(v);
      sum += histogram[v];
    }
    for (int64_t p = 0; p < s.H * s.W; ++p)
      s.to[p * s.C + c] = table[s.from[p * s.C + c]];
  }
}

/// blur + factor (image - blur), with the kernel (1 1 1; 1 5 1; 1 1 1)/13; the border stays.
static void sharpness(const AugmentStep &s, double factor) {
  std::memcpy(s.to, s.from, size_t(s.H * s.W * s.C));
  for (int64_t h = 1; h + 1 < s.H; ++h)
    for (int64_t w = 1; w + 1 < s.W; ++w)
      for (int64_t c = 0; c < s.C; ++c) {
        double sum = 4.0 * s.from[(h * s.W + w) * s.C + c];
        for (int64_t y = h - 1; y <= h + 1; ++y)
          for (int64_t x = w - 1; x <= w + 1; ++x)
            sum += s.from[(y * s.W + x) * s.C + c];
        const double blur = sum / 13;
        s.to[(h * s.W + w) * s.C + c] = clampedByte(blur + factor * (s.from[(h * s.W + w) * s.C + c] - blur));
      }
}

static void oneOf(const AugmentStep &s, int which, double strength, double sign) {
  constexpr double largestShear = 0.3, largestTurn = 30, largestFactor = 0.9, largestMove = 150.0 / 331; // of the side, at full strength
  const double factor = 1 + sign * largestFactor * strength, angle = sign * largestTurn * strength * M_PI / 180;
  switch (which) {
  case 0: return void(std::memcpy(s.to, s.from, size_t(s.H * s.W * s.C)));
  case 1: return warp(s, {1, 0, sign * largestShear * strength, 1, 0, 0});
  case 2: return warp(s, {1, sign * largestShear * strength, 0, 1, 0, 0});
  case 3: return warp(s, {1, 0, 0, 1, 0, std::floor(sign * largestMove * strength * double(s.W))});
  case 4: return warp(s, {1, 0, 0, 1, std::floor(sign * largestMove * strength * double(s.H)), 0});
  case 5: return warp(s, {std::cos(angle), -std::sin(angle), std::sin(angle), std::cos(angle), 0, 0});
  case 6: return scaleBrightness(s, factor);
  case 7: return scaleSaturation(s, factor);
  case 8: return scaleContrast(s, factor);
  case 9: return sharpness(s, factor);
  case 10: return posterize(s, 8 - int(std::floor(4 * strength + 0.5)));
  case 11: return solarize(s, 255 * (1 - strength));
  case 12: return autocontrast(s);
  default: return equalize(s);
  }
}

void randAugment(const AugmentStep &s) {
  constexpr int changes = 14;
  constexpr double bins = 30;
  const int64_t n = int64_t(s.argument(0, 2));
  const double strength = std::clamp(s.argument(1, 9) / bins, 0.0, 1.0);
  std::vector<uint8_t> before(s.from, s.from + s.H * s.W * s.C);
  std::memcpy(s.to, s.from, before.size());
  for (int64_t i = 0; i < n; ++i) {
    double u[2];
    s.uniforms(uint32_t(i), u);
    std::memcpy(before.data(), s.to, before.size());
    oneOf({before.data(), s.to, s.H, s.W, s.C, s.args, s.philox, s.draw}, std::min(changes - 1, int(u[0] * changes)), strength, u[1] < 0.5 ? -1 : 1);
  }
}

} // namespace rt
