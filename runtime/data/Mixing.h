// Mixup and cutmix: two pictures of a batch become one, and it has two labels.
// In: the seed, the epoch, the sample.  Out: which picture of the batch joins it, and how much of each is left.
#pragma once
#include "runtime/params/Description.h"
#include <vector>

namespace rt {

/// What becomes of one picture. Without a rectangle: share * own + (1 - share) * partner; else the partner's pixels in the rectangle.
struct Blend {
  int64_t partner = 0; ///< position in the batch
  double share = 1;    ///< how much of the own picture is left
  bool cut = false;
  int64_t top = 0, left = 0, bottom = 0, right = 0;
};

class Mixing {
public:
  /// Of mixup(alpha=0.2, p=1) and cutmix(alpha=1, p=1) in the data block's augment.  Fails with Exit::badModel on numbers that make no sense.
  Mixing(const Description &description, uint64_t seed);
  bool none() const { return !mixup && !cutmix; }
  /// Drawn for the sample alone: share of Beta(alpha, alpha), rectangle as in Yun et al. 2019.  Where both are declared, a sample gets either with
  /// the same chance (as timm does).  `n`: samples in the batch.
  Blend blend(uint64_t epoch, uint64_t sample, int64_t n) const;

  /// out may not be one of the two.  T: uint8_t, float or double.
  template <class T> void apply(const Blend &b, const T *own, const T *partner, T *out) const {
    for (int64_t h = 0; h < H; ++h)
      for (int64_t w = 0; w < W; ++w)
        for (int64_t c = 0, i = (h * W + w) * C; c < C; ++c, ++i)
          if (b.cut)
            out[i] = h >= b.top && h < b.bottom && w >= b.left && w < b.right ? partner[i] : own[i];
          else
            out[i] = T(b.share * double(own[i]) + (1 - b.share) * double(partner[i]));
  }

private:
  struct Rule {
    double alpha, p;
  };
  std::optional<Rule> mixup, cutmix;
  int64_t H, W, C;
  uint64_t seed;
};

} // namespace rt
