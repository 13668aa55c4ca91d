// The single changes that `augment` is made of.
// In: one image of bytes (H,W,C), the numbers in parentheses, random numbers.  Out: another image of the same shape.
#pragma once
#include "runtime/params/Philox.h"
#include <algorithm>
#include <cstdint>
#include <vector>

namespace rt {

struct AugmentStep {
  const uint8_t *from;
  uint8_t *to;
  int64_t H, W, C;
  const std::vector<double> &args;
  const Philox &philox;
  uint32_t draw; ///< which step of the list this is, below 64: every step has random numbers of its own

  /// The k-th pair of numbers in [0, 1).
  void uniforms(uint32_t k, double pair[2]) const {
    constexpr uint32_t steps = 64;
    philox.uniformPair(draw + steps * k, pair);
  }
  double argument(size_t i, double otherwise) const { return i < args.size() ? args[i] : otherwise; }
};

inline uint8_t clampedByte(double v) { return uint8_t(std::clamp(v + 0.5, 0.0, 255.0)); }

/// The map from a place in the new image to one in the old, about the centre: y = cy + a(h-cy) + b(w-cx) + ty, x = cx + c(h-cy) + d(w-cx) + tx.
struct Affine {
  double a = 1, b = 0, c = 0, d = 1, ty = 0, tx = 0;
};
void warp(const AugmentStep &s, const Affine &map); ///< bilinear, black from outside

// Geometry.
void hflip(const AugmentStep &s);  ///< hflip(p=0.5)
void vflip(const AugmentStep &s);  ///< vflip(p=0.5)
void shift(const AugmentStep &s);  ///< shift(n), shift(down, across), crop(pad): pad all around, then cut a window of the old size
void rotate(const AugmentStep &s); ///< rotate(d): an angle in -d..d degrees
void shear(const AugmentStep &s);  ///< shear(d): along the rows, an angle in -d..d degrees
void scale(const AugmentStep &s);  ///< scale(f): larger by a factor in 1-f..1+f; scale(a, b): in a..b

// Colour.
void brightness(const AugmentStep &s); ///< brightness(f): times a factor in 1-f..1+f
void contrast(const AugmentStep &s);   ///< contrast(f): about the mean of the grey image
void saturation(const AugmentStep &s); ///< saturation(f): about the grey image
void hue(const AugmentStep &s);        ///< hue(f): turned by -f..f of the circle, f at most 0.5
void noise(const AugmentStep &s);      ///< noise(std): normal, of v/255

void scaleBrightness(const AugmentStep &s, double factor);
void scaleContrast(const AugmentStep &s, double factor);
void scaleSaturation(const AugmentStep &s, double factor);

// Holes.
void cutout(const AugmentStep &s); ///< cutout(side, holes=1): black squares, centred anywhere (DeVries and Taylor 2017)
void erase(const AugmentStep &s);  ///< erase(p=0.5): one black rectangle of 2 to 33 % of the area (Zhong et al. 2017)

/// randaugment(n=2, m=9): n of 14 changes, each of strength m of 30 (Cubuk et al. 2020; the list and strengths are torchvision's).
void randAugment(const AugmentStep &s);

} // namespace rt
