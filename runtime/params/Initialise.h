// Initial values of parameters, statistics and optimiser states.
// In: a tensor's init rule, the seed, the tensor's index.  Out: its elements in logical order, the same on every machine with this libm.
#pragma once
#include "runtime/params/Description.h"
#include <vector>

namespace rt {

std::vector<double> initialValues(const TensorInfo &tensor, uint64_t seed, uint64_t tensorIndex);

} // namespace rt
