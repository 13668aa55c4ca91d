// How a training run tells of itself: a bar on a terminal, a line an epoch elsewhere, JSON lines for machines.
// In: steps and epochs.  Out: text on stdout.
#pragma once
#include "runtime/train/Metrics.h"
#include <chrono>
#include <optional>

namespace rt {

struct PartMetrics {
  double loss, accuracy;
};

/// The numbers of one epoch.
struct EpochReport {
  uint64_t epoch, epochs; ///< counted from 1
  uint64_t step;
  double lr, seconds, imagesPerSecond;
  PartMetrics train;
  std::optional<PartMetrics> val, test;
  bool best;
  double dataWait; ///< the part of `seconds` in which the step waited for data
};

class Progress {
public:
  explicit Progress(bool json);
  void start(const std::string &network, int64_t samples, int64_t held, int64_t dropped, int threads, uint64_t seed, const std::string &directory);
  void step(uint64_t epoch, uint64_t epochs, int64_t done, int64_t of, double loss, double accuracy, int64_t batch);
  void epoch(const EpochReport &report);
  static std::string jsonLine(const EpochReport &report);
  /// The part of the run in which steps waited for data.
  void data(double wait);
  /// A sentence between the lines, e.g. that a checkpoint was saved; `event` names it for machines.
  void note(const std::string &event, const std::string &text);
  void final(const std::string &part, const PartMetrics &metrics);
  /// Fails with Exit::io if some of it could not be written.
  void close() const;

private:
  using Clock = std::chrono::steady_clock;
  void clearBar();
  void line(const std::string &text);
  bool json, terminal, barShown = false;
  Clock::time_point lastDraw, barStart;
  int64_t barFirst = 0;
  uint64_t barEpoch = UINT64_MAX;
  int error = 0; ///< the first one of standard output
};

} // namespace rt
