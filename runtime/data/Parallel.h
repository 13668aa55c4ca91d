// Independent pieces of reading work on threads of their own, for the time of one call: the step's pool is never disturbed.
// In: a count, a number of threads, f(i).  Out: f has run for every i; the failure of the smallest i that failed is thrown.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace rt {

template <class F> void eachInParallel(int64_t n, int threads, const F &f) {
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  int64_t failedAt = n;
  std::exception_ptr problem;
  auto work = [&] {
    for (int64_t i = next.fetch_add(1); i < n; i = next.fetch_add(1)) {
      try {
        f(i);
      } catch (...) {
        std::lock_guard<std::mutex> hold(mutex);
        if (i < failedAt) {
          failedAt = i;
          problem = std::current_exception();
        }
        next.store(n); // those below i have been begun already
      }
    }
  };
  std::vector<std::thread> workers;
  for (int64_t t = 1; t < std::min<int64_t>(threads, n); ++t)
    workers.emplace_back(work);
  work();
  for (std::thread &worker : workers)
    worker.join();
  if (problem)
    std::rethrow_exception(problem);
}

} // namespace rt
