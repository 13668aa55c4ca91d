// Changes of what pixels are.
// In: an image, grey or RGB (any number of channels where no colour is needed).  Out: it lighter, stronger, greyer, turned in hue, noisy, with holes.
#include "runtime/data/AugmentSteps.h"
#include <cmath>
#include <cstring>

namespace rt {

static double factorAround1(const AugmentStep &s) {
  double u[2];
  s.uniforms(0, u);
  const double f = s.argument(0, 0), low = std::max(0.0, 1 - f);
  return low + u[0] * (1 + f - low);
}

/// ITU-R BT.601, as PIL does.
static double grey(const uint8_t *p, int64_t C) { return C == 3 ? 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2] : p[0]; }

void scaleBrightness(const AugmentStep &s, double factor) {
  for (int64_t i = 0; i < s.H * s.W * s.C; ++i)
    s.to[i] = clampedByte(s.from[i] * factor);
}

void scaleContrast(const AugmentStep &s, double factor) {
  double mean = 0;
  for (int64_t p = 0; p < s.H * s.W; ++p)
    mean += grey(s.from + p * s.C, s.C);
  mean /= double(s.H * s.W);
  for (int64_t i = 0; i < s.H * s.W * s.C; ++i)
    s.to[i] = clampedByte(mean + (s.from[i] - mean) * factor);
}

void scaleSaturation(const AugmentStep &s, double factor) {
  for (int64_t p = 0; p < s.H * s.W; ++p) {
    const double g = grey(s.from + p * s.C, s.C);
    for (int64_t c = 0; c < s.C; ++c)
      s.to[p * s.C + c] = s.C == 3 ? clampedByte(g + (s.from[p * s.C + c] - g) * factor) : s.from[p * s.C + c];
  }
}

void brightness(const AugmentStep &s) { scaleBrightness(s, factorAround1(s)); }
void contrast(const AugmentStep &s) { scaleContrast(s, factorAround1(s)); }
void saturation(const AugmentStep &s) { scaleSaturation(s, factorAround1(s)); }

/// Turns the hue of the HSV cone: H' = H + turn, with V = max, S = (max - min)/max kept.
void hue(const AugmentStep &s) {
  double u[2];
  s.uniforms(0, u);
  const double turn = (2 * u[0] - 1) * std::min(s.argument(0, 0), 0.5) * 6; // in sixths of the circle
  std::memcpy(s.to, s.from, size_t(s.H * s.W * s.C));
  for (int64_t p = 0; s.C == 3 && p < s.H * s.W; ++p) {
    const double r = s.from[p * 3], g = s.from[p * 3 + 1], b = s.from[p * 3 + 2];
    const double top = std::max({r, g, b}), low = std::min({r, g, b}), spread = top - low;
    if (spread == 0)
      continue;
    const double h = top == r ? (g - b) / spread : top == g ? 2 + (b - r) / spread : 4 + (r - g) / spread;
    for (int c = 0; c < 3; ++c) {
      // A channel is at the top within 1 of its own hue, at the bottom beyond 2.
      const double away = std::abs(std::remainder(h + turn - 2 * c, 6.0));
      s.to[p * 3 + c] = clampedByte(low + spread * std::clamp(2 - away, 0.0, 1.0));
    }
  }
}

void noise(const AugmentStep &s) {
  const double deviation = s.argument(0, 0) * 255;
  for (int64_t i = 0; i < s.H * s.W * s.C; i += 2) {
    double u[2];
    s.uniforms(uint32_t(1 + i / 2), u);
    const double radius = std::sqrt(-2 * std::log(1 - u[0])), angle = 2 * M_PI * u[1]; // Box and Muller 1958
    s.to[i] = clampedByte(s.from[i] + deviation * radius * std::cos(angle));
    if (i + 1 < s.H * s.W * s.C)
      s.to[i + 1] = clampedByte(s.from[i + 1] + deviation * radius * std::sin(angle));
  }
}

static void blacken(const AugmentStep &s, int64_t top, int64_t left, int64_t bottom, int64_t right) {
  left = std::max<int64_t>(left, 0), right = std::min(right, s.W);
  for (int64_t h = std::max<int64_t>(top, 0); h < std::min(bottom, s.H) && left < right; ++h)
    std::memset(s.to + (h * s.W + left) * s.C, 0, size_t((right - left) * s.C));
}

void cutout(const AugmentStep &s) {
  const int64_t side = int64_t(s.argument(0, 0)), holes = int64_t(s.argument(1, 1));
  std::memcpy(s.to, s.from, size_t(s.H * s.W * s.C));
  for (int64_t i = 0; i < holes; ++i) {
    double u[2];
    s.uniforms(uint32_t(i), u);
    const int64_t top = int64_t(u[0] * double(s.H)) - side / 2, left = int64_t(u[1] * double(s.W)) - side / 2;
    blacken(s, top, left, top + side, left + side);
  }
}

void erase(const AugmentStep &s) {
  constexpr double least = 0.02, most = 0.33, flattest = 0.3, tallest = 3.3; // torchvision's RandomErasing
  constexpr uint32_t tries = 10;
  std::memcpy(s.to, s.from, size_t(s.H * s.W * s.C));
  double u[2];
  s.uniforms(0, u);
  if (u[0] >= s.argument(0, 0.5))
    return;
  for (uint32_t i = 0; i < tries; ++i) {
    s.uniforms(1 + 2 * i, u);
    const double area = double(s.H * s.W) * (least + u[0] * (most - least));
    const double aspect = std::exp(std::log(flattest) + u[1] * (std::log(tallest) - std::log(flattest)));
    const int64_t h = std::llround(std::sqrt(area * aspect)), w = std::llround(std::sqrt(area / aspect));
    if (h >= s.H || w >= s.W)
      continue;
    s.uniforms(2 + 2 * i, u);
    const int64_t top = int64_t(u[0] * double(s.H - h + 1)), left = int64_t(u[1] * double(s.W - w + 1));
    return blacken(s, top, left, top + h, left + w);
  }
}

} // namespace rt
