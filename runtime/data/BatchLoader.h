// Batches for generated code: (N,H,W,C) of the model's element type, normalised.
// In: a set and indices into it.  Out: x and labels filled in.
#pragma once
#include "runtime/data/Augment.h"
#include "runtime/data/Batch.h"
#include "runtime/data/Dataset.h"

namespace rt {

/// Mean and standard deviation per channel, of v/255.  Empty: none.
struct Normalization {
  std::vector<double> mean, std;
};

/// Over every pixel of the set: exact integer sums, so that the order of adding does not matter.
Normalization measureNormalization(const Dataset &set, const Description &description);
/// What the `data` block asks for; "auto" measures `train()`.
template <class Train> Normalization chooseNormalization(const Description &d, const Train &train) {
  if (!d.data || d.data->normalize == DataInfo::Normalize::none)
    return {};
  if (d.data->normalize == DataInfo::Normalize::given)
    return {d.data->mean, d.data->std};
  return measureNormalization(*train(), d);
}

class BatchLoader {
public:
  BatchLoader(const Description &description, uint32_t elementKind, const Normalization &normalization);

  /// Fills the batch with samples[0..n); `augment` may be null.  Any thread may call it.
  void load(const Dataset &set, const int64_t *samples, int64_t n, const Augment *augment, uint64_t epoch, Batch &batch) const;
  size_t sampleBytes() const; ///< of one image of x
  uint32_t elementKind() const { return kind; }
  /// One image of bytes (H,W,C).
  void convert(const uint8_t *image, void *x) const;

private:
  void mix(const Mixing &mixing, const int64_t *samples, int64_t n, uint64_t epoch, Batch &batch) const;
  const Description &description;
  uint32_t kind;
  std::vector<double> table; ///< [channel][byte]: the normalised value
  std::vector<float> table32;
};

} // namespace rt
