// Batch normalisation folded into the layers before it, for code that was compiled so.
// In: a store that a checkpoint has just filled.  Out: the same with the filters and shifts that the code takes.
#pragma once
#include "runtime/params/TensorStore.h"

namespace rt {

/// filter' = filter f, shift' = shift + (bias - mean) f, f = scale / sqrt(variance + eps), computed in f64.  Once for each filling.
void foldNormalization(const std::vector<FoldInfo> &folded, TensorStore &store);

} // namespace rt
