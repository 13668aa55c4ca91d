// In which order samples are seen, and which are held out.
// In: a seed, an epoch.  Out: indices; the same on every machine.
#pragma once
#include "runtime/data/Dataset.h"

namespace rt {

/// A permutation of 0..n-1 (Fisher and Yates, Durstenfeld 1964), its own for every epoch.
std::vector<int64_t> epochOrder(int64_t n, uint64_t seed, uint64_t epoch);

struct Split {
  std::vector<int64_t> kept, held; ///< both rising
};
/// Holds out the rounded part of every class.
Split stratifiedSplit(const Dataset &set, double part, int64_t classes, uint64_t seed);

} // namespace rt
