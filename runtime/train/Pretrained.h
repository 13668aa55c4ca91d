// Weights that a run begins with.
// In: safetensors files, in order.  Out: what fits of them in the tensors, later files over earlier ones, and what is to be told of it.
#pragma once
#include "runtime/params/TensorStore.h"

namespace rt {

/// A sentence for each file: what was taken, what the file lacks, what does not fit, what of it is not used; and one for the tensors that keep
/// their initial values.  Fails where a file cannot be read or nothing of it fits, and says where the source names it.
std::vector<std::string> loadPretrained(const std::vector<LoadRule> &rules, TensorStore &store);

/// At most six of them, and how many more there are.
std::string listed(const std::vector<std::string> &names);

} // namespace rt
