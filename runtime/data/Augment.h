// Random changes of training images, drawn per sample: which thread makes a batch never shows.
// In: bytes (H,W,C), the seed, the epoch, the sample's index.  Out: bytes of the same shape.
#pragma once
#include "runtime/data/Mixing.h"

namespace rt {

class Augment {
public:
  /// Fails with Exit::badModel on a name that this runtime does not know.
  Augment(const Description &description, uint64_t seed);
  bool none() const { return steps.empty(); }
  /// What is done to a whole batch afterwards.
  const Mixing &mixing() const { return mixed; }
  /// `image` is changed in place; `scratch` is memory of the same size.
  void apply(uint8_t *image, uint8_t *scratch, uint64_t epoch, uint64_t sample) const;

private:
  std::vector<Augmentation> steps; ///< without those that mix
  Mixing mixed;
  int64_t H, W, C;
  uint64_t seed;
};

} // namespace rt
