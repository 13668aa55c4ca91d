// What a trainer will hold at its peak, from the plan of its arena: what `cnnc show --memory` prints and --max-memory bounds.
// In: a Network, the program of its training step.  Out: the parts of the peak; text, or JSON with the same numbers.
#pragma once

#include "compiler/frontend/Network.h"
#include "compiler/kernels/Program.h"
#include "compiler/kernels/Recompute.h"

#include <string>

namespace cnnc {

/// Resident bytes.
struct PeakMemory {
  int64_t program, tensors, arena, batch;
  int64_t scratch; ///< of a thread
  int64_t on(int64_t threads) const;
  /// The largest arena with which the peak on `boundThreads` is at most `bound`; less than 0 where none is small enough.
  int64_t arenaWithin(int64_t bound) const;
};
/// --max-memory counts so many threads: the last number of the report.
constexpr int64_t boundThreads = 4;

/// `scratchBytes`: the most that a kernel takes of a thread's stack. `arenaBytes`: as the runtime allocates it, for the step or for evaluation.
PeakMemory peakMemory(const Network &network, const Program &trainStep, int64_t scratchBytes, int64_t arenaBytes);
/// `recomputed`: what the bound has cost; nothing where there is none.
std::string memoryReport(const Network &network, const PeakMemory &peak, const std::optional<Recomputed> &recomputed, bool json);
/// "12.5 MiB"
std::string inMib(int64_t bytes);

} // namespace cnnc
