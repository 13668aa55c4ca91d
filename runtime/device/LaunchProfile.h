// Times of every launch of a generated function.
// In: launches, as an observer.  Out: a row for each in launch order, with its times over all steps seen.
#pragma once
#include "runtime/device/Launch.h"
#include <algorithm>
#include <chrono>
#include <map>
#include <vector>

namespace rt {

class LaunchProfile : public LaunchObserver {
public:
  struct Row {
    const cnn_kernel *kernel;
    double seconds = 0, least = 1e30; ///< over all steps; of the fastest
    int64_t count = 0;
    double begin = 0, last = 0; ///< of the last step: seconds since its beginning, and how long
  };
  void beginStep() { stepStart = std::chrono::steady_clock::now(); }
  bool readsBuffers() const override { return false; }
  void launched(const cnn_kernel &kernel, void *const *, double seconds, std::chrono::steady_clock::time_point when) override {
    const double end = std::chrono::duration<double>(when - stepStart).count();
    auto [at, isNew] = index.try_emplace(&kernel, table.size());
    if (isNew)
      table.push_back({&kernel});
    Row &row = table[at->second];
    row.seconds += seconds;
    row.least = std::min(row.least, seconds);
    ++row.count;
    row.begin = end - seconds;
    row.last = seconds;
  }
  const std::vector<Row> &rows() const { return table; }
  int64_t steps = 0; ///< that have been observed: counted by the owner

private:
  std::chrono::steady_clock::time_point stepStart;
  std::map<const cnn_kernel *, size_t> index;
  std::vector<Row> table;
};

} // namespace rt
