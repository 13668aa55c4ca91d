// Batches made ahead by threads of their own while the step runs.
// In: a loader, a set, the samples in the order in which they are wanted.  Out: the batches, in that order; how long they were waited for.
#pragma once
#include "runtime/data/BatchLoader.h"
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

namespace rt {

/// What one pass over samples is: the last batch may be short.
struct PrefetchPlan {
  std::vector<int64_t> samples;
  int64_t batch = 1;
  int64_t capacity = 1; ///< samples that a buffer holds, at least `batch`
  const Augment *augment = nullptr;
  uint64_t epoch = 0;
  int workers = 1;
};

class Prefetch {
public:
  /// Loader, set and augment must outlive it.  A batch is made whole by one worker, so that no result depends on their number.
  Prefetch(const BatchLoader &loader, const Dataset &set, PrefetchPlan plan);
  ~Prefetch();
  Prefetch(const Prefetch &) = delete;

  /// Exchanges the memory for that of the next batch and gives its number of samples, 0 at the end.  Throws what its making threw.
  int64_t next(Batch &batch);
  /// Seconds that next() has waited.
  double waited() const { return seconds; }

private:
  struct Slot {
    Batch batch;
    std::exception_ptr problem;
    bool ready = false;
  };
  void work();
  void fill(Slot &slot, int64_t b);
  int64_t countOf(int64_t b) const { return std::min(plan.batch, int64_t(plan.samples.size()) - b * plan.batch); }

  const BatchLoader &loader;
  const Dataset &set;
  PrefetchPlan plan;
  int64_t batches, begun = 0, taken = 0;
  std::vector<Slot> slots;
  double seconds = 0;
  bool stopping = false;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::thread> threads;
};

/// How many workers keep a step on so many threads fed: a set in memory needs few, decoding needs all it can get.
int prefetchWorkers(const Dataset &set, int threads);

} // namespace rt
