// What this machine can do at best, measured here and now: the scale that a profile is read against.
// In: a pool of threads.  Out: fused multiply-adds and copies a second, by all its threads together.
#pragma once
#include "runtime/device/ThreadPool.h"
#include <string>

namespace rt {

struct Peak {
  std::string vectors;            ///< the widest that the code may use: "AVX-512", "AVX2", "SSE2 (no FMA)"
  double flops32 = 0, flops64 = 0; ///< a second; a fused multiply-add counts as two
  double flops16 = 0;              ///< of products of pairs of bf16 summed in f32; 0 where the code may not use them
  /// What code of a precision ("f32", "f64", "bf16") can reach.
  double flopsOf(const std::string &precision) const { return precision == "f64" ? flops64 : precision == "bf16" && flops16 > 0 ? flops16 : flops32; }
  double memoryBytes = 0;          ///< copied a second, read and written bytes together, from and to memory
  double lastCacheBytes = 0;       ///< the same of 8 MiB a core: more than its own caches hold, less than a share of the last one
  double cacheBytes = 0;           ///< the same within each core's own cache
  double launchSeconds = 0;        ///< of a launch with nothing to do on every thread
  /// The better of each number, where both were measured on one machine at different times.
  Peak bestOf(const Peak &other) const;
};

/// `features`: those of the code that is measured against it (cnn_model::cpu_features); wider vectors than it uses are left out. Takes about a quarter of a second. Each is the best of several tries: what other programs take away is not the machine's limit.
Peak measurePeak(ThreadPool &pool, const std::string &features);

} // namespace rt
