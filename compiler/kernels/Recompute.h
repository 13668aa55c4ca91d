// Memory for time: what a later launch reads is dropped after its first readers and made again, by the same kernels, before it is read again.
// In: the straight line of a training step, and a bound on its arena.  Out: a longer line over a smaller arena; every result has the same bits.
#pragma once

#include "compiler/kernels/Program.h"

namespace cnnc {

/// What the recomputation of a program costs, in all launches of a step.
struct Recomputed {
  int64_t launches = 0;         ///< more than without
  double flops = 0, bytes = 0;  ///< more than without, as shares of what the step has without: of its products, of the memory that it moves
};

/// A bound on memory counts the local maps of so many threads.
constexpr int64_t boundThreads = 4;

/// Brings the planned arena of `program` and the local maps of `boundThreads` threads to at most `bound` bytes with little more work; nothing changes where it is that small already.
/// Where the bound cannot be met, the program is the smallest that was found.
/// `cacheBytes`: for formChains.
Recomputed recompute(Program &program, int64_t bound, int64_t cacheBytes);

} // namespace cnnc
