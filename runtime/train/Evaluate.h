// Every sample of a set, exactly once, through the inference code.
// In: a program with its tensors, a set.  Out: a tally.
#pragma once
#include "runtime/data/BatchLoader.h"
#include "runtime/train/Metrics.h"
#include "runtime/train/Program.h"
#include <functional>

namespace rt {

/// So many samples of a set at most, evenly over its order: sets often stand class by class.
std::vector<int64_t> spread(int64_t size, int64_t most);

/// Calls see(first sample, samples, logits) for each batch in the set's order; labels stand in program.labels().  Stops early, with what it has, when a signal is pending.  `limit`: batches at most, spread() over the set, which see() counts from 0; 0: all.
void inferAll(Program &program, BatchLoader &loader, const Dataset &set, int64_t limit, const std::function<void(int64_t, int64_t, const void *)> &see);
Tally evaluate(Program &program, BatchLoader &loader, const Dataset &set, int64_t limit = 0);

} // namespace rt
