// Initial values of parameters, statistics and optimiser states.
// In: a tensor's init rule, the seed, the tensor's index.  Out: its elements in logical order, the same on every machine.
#pragma once
#include "runtime/params/Description.h"
#include <vector>

namespace rt {

std::vector<double> initialValues(const TensorInfo &tensor, uint64_t seed, uint64_t tensorIndex);

/// Whether parts can be made by themselves; an orthogonal matrix hangs together.
bool madeInParts(const TensorInfo &tensor);
/// The same values from `first`, an even number, to first + n. Only of tensors made in parts.
void initialValues(const TensorInfo &tensor, uint64_t seed, uint64_t tensorIndex, int64_t first, int64_t n, double *values);

} // namespace rt
