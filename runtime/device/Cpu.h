// Does this processor have what the model was compiled for?
// In: the model's list of x86 features.  Out: those that are missing.
#pragma once
#include <string>
#include <vector>

namespace rt {

/// Features of the comma-separated list that cpuid, or the operating system's saved state, does not show.
std::vector<std::string> missingCpuFeatures(const std::string &list);

/// The processor's own name, e.g. "AMD EPYC 9B14".
std::string cpuName();

} // namespace rt
