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
  int64_t program, tensors, batch;
  struct Arena {
    int64_t shared, local; ///< and so much more for each thread
    int64_t on(int64_t threads) const { return shared + threads * local; }
  };
  Arena step, evaluation; ///< as large as they are: the larger one is there
  int64_t scratch;        ///< of a thread, for kernels
  int64_t arena(int64_t threads) const;
  int64_t on(int64_t threads) const;
  /// The largest arena, local maps of `boundThreads` threads included, with which the peak on as many is at most `bound`; less than 0 where none is small enough.
  int64_t arenaWithin(int64_t bound) const;
};
/// `scratchBytes`: the most that a kernel takes of a thread's stack.
PeakMemory peakMemory(const Network &network, const Program &trainStep, const Program &evaluation, int64_t scratchBytes);
/// `recomputed`: what the bound has cost; nothing where there is none.
std::string memoryReport(const Network &network, const PeakMemory &peak, const std::optional<Recomputed> &recomputed, bool json);
/// "12.5 MiB"
std::string inMib(int64_t bytes);

} // namespace cnnc
