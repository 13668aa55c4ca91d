// In which order samples are seen, and which are held out.
// In: counters.  Out: permutations drawn by counter.
#include "runtime/data/Order.h"
#include "runtime/params/Philox.h"
#include <algorithm>
#include <cmath>
#include <numeric>

namespace rt {

static void shuffle(std::vector<int64_t> &indices, const Philox &philox) {
  for (size_t i = indices.size(); i > 1; --i)
    std::swap(indices[i - 1], indices[philox.below(uint32_t(i), i)]);
}

std::vector<int64_t> epochOrder(int64_t n, uint64_t seed, uint64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  shuffle(order, Philox(seed, Draw::order, epoch));
  return order;
}

Split stratifiedSplit(const Dataset &set, double part, int64_t classes, uint64_t seed) {
  std::vector<std::vector<int64_t>> byClass(static_cast<size_t>(classes));
  for (int64_t i = 0; i < set.size(); ++i)
    byClass[size_t(set.label(i))].push_back(i);
  Split split;
  for (size_t c = 0; c < byClass.size(); ++c) {
    std::vector<int64_t> &members = byClass[c];
    shuffle(members, Philox(seed, Draw::split, c));
    const size_t held = std::min(members.size(), size_t(std::llround(part * double(members.size()))));
    split.held.insert(split.held.end(), members.begin(), members.begin() + held);
    split.kept.insert(split.kept.end(), members.begin() + held, members.end());
  }
  std::sort(split.held.begin(), split.held.end());
  std::sort(split.kept.begin(), split.kept.end());
  return split;
}

} // namespace rt
