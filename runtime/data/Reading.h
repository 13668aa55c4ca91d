// What is said while pictures are read for long: on a terminal a count that moves, elsewhere one line.
// In: a step for each picture, from any thread.  Out: lines on standard error; nothing where reading is quick.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <mutex>

namespace rt {

class Reading {
public:
  Reading(int64_t total, std::FILE *to, bool terminal, double patience = 2) : total(total), to(to), terminal(terminal), patience(patience) {}
  ~Reading();
  void step();

private:
  using Clock = std::chrono::steady_clock;
  const int64_t total;
  std::FILE *const to;
  const bool terminal;
  const double patience; ///< seconds
  const Clock::time_point start = Clock::now();
  std::atomic<int64_t> done{0};
  std::mutex mutex;
  double drawn = -1; ///< seconds after the start; below 0: not yet
};

} // namespace rt
