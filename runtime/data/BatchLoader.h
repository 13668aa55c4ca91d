// Batches for generated code: (N,H,W,C) of the model's element type, normalised.
// In: a set and indices into it.  Out: x and labels filled in.
#pragma once
#include "runtime/data/Augment.h"
#include "runtime/data/Dataset.h"
#include "runtime/device/ThreadPool.h"

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
  BatchLoader(const Description &description, uint32_t elementKind, const Normalization &normalization, ThreadPool &pool);

  /// Fills x and labels for samples[0..n); `augment` may be null.
  void load(const Dataset &set, const int64_t *samples, int64_t n, const Augment *augment, uint64_t epoch, void *x, int32_t *labels);
  /// One sample; any thread may call it.  `scratch` is kept between calls.
  void loadOne(const Dataset &set, int64_t sample, const Augment *augment, uint64_t epoch, void *x, int32_t *label,
               std::vector<uint8_t> &scratch) const;
  size_t sampleBytes() const; ///< of one image of x
  /// One image of bytes (H,W,C).
  void convert(const uint8_t *image, void *x) const;

private:
  const Description &description;
  uint32_t kind;
  ThreadPool &pool;
  std::vector<double> table; ///< [channel][byte]: the normalised value
  std::vector<float> table32;
};

} // namespace rt
