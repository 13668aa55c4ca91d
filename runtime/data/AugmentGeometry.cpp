// Changes of where pixels stand.
// In: an image.  Out: it flipped, moved, turned; what comes in from outside is black, as in torchvision.
#include "runtime/data/AugmentSteps.h"
#include <cmath>
#include <cstring>

namespace rt {

/// to[h][w] = from[h + dy][w + dx].
static void move(const AugmentStep &s, int64_t dy, int64_t dx) {
  std::memset(s.to, 0, size_t(s.H * s.W * s.C));
  const int64_t first = std::max<int64_t>(0, -dx), last = std::min(s.W, s.W - dx);
  for (int64_t h = std::max<int64_t>(0, -dy); h < std::min(s.H, s.H - dy); ++h)
    if (last > first)
      std::memcpy(s.to + (h * s.W + first) * s.C, s.from + ((h + dy) * s.W + first + dx) * s.C, size_t((last - first) * s.C));
}

static bool happens(const AugmentStep &s) {
  double u[2];
  s.uniforms(0, u);
  return u[0] < s.argument(0, 0.5);
}

void hflip(const AugmentStep &s) {
  const bool flip = happens(s);
  for (int64_t h = 0; h < s.H; ++h)
    for (int64_t w = 0; w < s.W; ++w)
      std::memcpy(s.to + (h * s.W + w) * s.C, s.from + (h * s.W + (flip ? s.W - 1 - w : w)) * s.C, size_t(s.C));
}

void vflip(const AugmentStep &s) {
  const bool flip = happens(s);
  for (int64_t h = 0; h < s.H; ++h)
    std::memcpy(s.to + h * s.W * s.C, s.from + (flip ? s.H - 1 - h : h) * s.W * s.C, size_t(s.W * s.C));
}

void shift(const AugmentStep &s) {
  const int64_t down = int64_t(s.argument(0, 0)), across = int64_t(s.argument(1, double(down)));
  double u[2];
  s.uniforms(0, u);
  move(s, int64_t(u[0] * double(2 * down + 1)) - down, int64_t(u[1] * double(2 * across + 1)) - across);
}

void warp(const AugmentStep &s, const Affine &m) {
  const double cy = double(s.H - 1) / 2, cx = double(s.W - 1) / 2;
  auto at = [&](int64_t h, int64_t w, int64_t c) -> double {
    return h < 0 || w < 0 || h >= s.H || w >= s.W ? 0 : s.from[(h * s.W + w) * s.C + c];
  };
  for (int64_t h = 0; h < s.H; ++h)
    for (int64_t w = 0; w < s.W; ++w) {
      const double dh = double(h) - cy, dw = double(w) - cx;
      const double y = cy + dh * m.a + dw * m.b + m.ty, x = cx + dh * m.c + dw * m.d + m.tx;
      const int64_t y0 = int64_t(std::floor(y)), x0 = int64_t(std::floor(x));
      const double fy = y - double(y0), fx = x - double(x0);
      for (int64_t c = 0; c < s.C; ++c)
        s.to[(h * s.W + w) * s.C + c] = clampedByte((1 - fy) * ((1 - fx) * at(y0, x0, c) + fx * at(y0, x0 + 1, c)) +
                                                    fy * ((1 - fx) * at(y0 + 1, x0, c) + fx * at(y0 + 1, x0 + 1, c)));
    }
}

/// A number in -limit..limit.
static double signedDraw(const AugmentStep &s, double limit) {
  double u[2];
  s.uniforms(0, u);
  return (2 * u[0] - 1) * limit;
}

void rotate(const AugmentStep &s) {
  const double angle = signedDraw(s, s.argument(0, 0)) * M_PI / 180, cosine = std::cos(angle), sine = std::sin(angle);
  warp(s, {cosine, -sine, sine, cosine, 0, 0});
}

void shear(const AugmentStep &s) {
  const double angle = std::clamp(signedDraw(s, s.argument(0, 0)), -80.0, 80.0) * M_PI / 180;
  warp(s, {1, 0, std::tan(angle), 1, 0, 0});
}

void scale(const AugmentStep &s) {
  const double f = s.argument(0, 0), low = s.args.size() == 2 ? f : 1 - f, high = s.args.size() == 2 ? s.args[1] : 1 + f;
  double u[2];
  s.uniforms(0, u);
  const double factor = 1 / std::max(low + u[0] * (high - low), 0.01);
  warp(s, {factor, 0, 0, factor, 0, 0});
}

} // namespace rt
