// The samples of one step: pictures and what they are.
// In: a capacity.  Out: memory; every sample whole, of class 0.
#pragma once
#include "runtime/device/AlignedBuffer.h"
#include "runtime/device/Element.h"
#include <algorithm>

namespace rt {

struct Batch {
  Batch() = default;
  Batch(int64_t capacity, size_t sampleBytes, uint32_t kind)
      : x(size_t(capacity) * sampleBytes), labels(size_t(capacity) * sizeof(int32_t)), secondLabels(labels.size), mix(size_t(capacity) * elementBytes(kind)) {
    withElement(kind, [&](auto zero) { std::fill_n(mix.as<decltype(zero)>(), capacity, decltype(zero)(1)); });
  }
  AlignedBuffer x;                    ///< (N,H,W,C), element type of the model
  AlignedBuffer labels, secondLabels; ///< (N) int32
  AlignedBuffer mix;                  ///< (N), element type of the model: how much of a sample is of the first label; 1 unless pictures are mixed
};

} // namespace rt
