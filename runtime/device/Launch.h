// What stands behind cnn_call.runtime: the pool that runs kernels, and whoever wants to see each launch.
// In: kernels from generated code.  Out: their pieces run; an observer told of each.
#pragma once
#include "runtime/abi.h"
#include "runtime/device/ThreadPool.h"
#include <chrono>

namespace rt {

/// Sees each launch after it has run; `seconds` is its wall-clock time, `end` when it was done. Kernels of a chain come after the whole chain,
/// as if they had run one behind the other.
class LaunchObserver {
public:
  virtual ~LaunchObserver() = default;
  /// Whether it looks into the buffers. If not, they may be invalid: local maps of a chain are gone when it is told of their kernels.
  virtual bool readsBuffers() const { return true; }
  virtual void launched(const cnn_kernel &kernel, void *const *buffers, double seconds, std::chrono::steady_clock::time_point end) = 0;
};

struct Device {
  explicit Device(int threads) : pool(threads) {}
  ThreadPool pool;
  LaunchObserver *observer = nullptr;
  bool backwards = false; ///< each thread runs its pieces, of every launch and chain, from the last to the first
};

} // namespace rt
