// Finds the first kernel of a step whose output holds a NaN or an infinity.
// In: every launch of a step that is run again for this.  Out: the layer, the operation and the value.
#pragma once
#include "runtime/device/Launch.h"
#include <string>

namespace rt {

/// The first non-finite value among n elements: its index, or -1.
int64_t firstNonFinite(const void *data, uint64_t n, uint32_t elementKind);

class FiniteCheck : public LaunchObserver {
public:
  void launched(const cnn_kernel &kernel, void *const *buffers, double seconds, std::chrono::steady_clock::time_point end) override;
  bool found = false;
  std::string layer, what;
  double value = 0;
};

} // namespace rt
