// The exponential moving average of weights and running statistics (Polyak and Juditsky 1992, in the form that timm and Keras use).
// In: the store after each step.  Out: averaged values, for measuring and for the checkpoint.
#pragma once
#include "runtime/device/ThreadPool.h"
#include "runtime/params/TensorStore.h"

namespace rt {

class Average {
public:
  /// Starts at the store's values.
  Average(TensorStore &store, double decay, ThreadPool &pool);
  /// a = d a + (1 - d) w with d = min(decay, (1 + step)/(10 + step)): early steps are soon forgotten.
  void update(uint64_t step);
  /// Averages and weights change places: once to measure, once more to go on.
  void exchange();
  /// In storage layout, one per tensor; null for the optimiser's states.
  void *values(size_t tensor) const { return averages[tensor].size ? averages[tensor].data() : nullptr; }

private:
  TensorStore &store;
  double decay;
  ThreadPool &pool;
  std::vector<AlignedBuffer> averages;
};

} // namespace rt
