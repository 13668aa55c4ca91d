// The two orders of a tensor's elements: logical (PyTorch's, row-major as the shape) and as the generated code stores it.
// In: elements in one order.  Out: the same elements in the other.
#pragma once
#include "runtime/params/Description.h"

namespace rt {

void toLogical(const TensorInfo &tensor, size_t elementBytes, const void *stored, void *logical);
void toStored(const TensorInfo &tensor, size_t elementBytes, const void *logical, void *stored);
/// n elements from `first` in logical order to their places.
void toStored(const TensorInfo &tensor, size_t elementBytes, int64_t first, int64_t n, const void *logical, void *stored);

} // namespace rt
