// Batches made ahead.
// In: batch numbers, taken in order.  Out: a ring of one slot more than workers.
#include "runtime/data/Prefetch.h"
#include "runtime/device/Element.h"
#include <chrono>

namespace rt {

int prefetchWorkers(const Dataset &set, int threads) {
  constexpr int most = 8, share = 4;
  return std::clamp(set.inMemory() ? threads / share : threads, 1, most);
}

Prefetch::Prefetch(const BatchLoader &loader, const Dataset &set, PrefetchPlan given)
    : loader(loader), set(set), plan(std::move(given)), batches((int64_t(plan.samples.size()) + plan.batch - 1) / plan.batch) {
  slots.resize(size_t(std::min<int64_t>(plan.workers + 1, std::max<int64_t>(batches, 1))));
  for (Slot &slot : slots)
    slot.batch = Batch(plan.capacity, loader.sampleBytes(), loader.elementKind());
  for (int w = 0; w < std::min<int64_t>(plan.workers, batches); ++w)
    threads.emplace_back([this] { work(); });
}

Prefetch::~Prefetch() {
  {
    std::lock_guard<std::mutex> hold(mutex);
    stopping = true;
  }
  changed.notify_all();
  for (std::thread &thread : threads)
    thread.join();
}

void Prefetch::fill(Slot &slot, int64_t b) {
  try {
    loader.load(set, &plan.samples[size_t(b * plan.batch)], countOf(b), plan.augment, plan.epoch, slot.batch);
  } catch (...) {
    slot.problem = std::current_exception();
  }
}

void Prefetch::work() {
  std::unique_lock<std::mutex> hold(mutex);
  for (;;) {
    changed.wait(hold, [&] { return stopping || begun == batches || begun < taken + int64_t(slots.size()); });
    if (stopping || begun == batches)
      return;
    const int64_t b = begun++;
    Slot &slot = slots[size_t(b) % slots.size()];
    hold.unlock();
    fill(slot, b);
    hold.lock();
    slot.ready = true;
    changed.notify_all();
  }
}

int64_t Prefetch::next(Batch &batch) {
  std::unique_lock<std::mutex> hold(mutex);
  if (taken == batches)
    return 0;
  const auto start = std::chrono::steady_clock::now();
  Slot &slot = slots[size_t(taken) % slots.size()];
  changed.wait(hold, [&] { return slot.ready; });
  seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (slot.problem)
    std::rethrow_exception(slot.problem);
  std::swap(batch, slot.batch);
  slot.ready = false;
  const int64_t n = countOf(taken++);
  hold.unlock();
  changed.notify_all();
  return n;
}

} // namespace rt
