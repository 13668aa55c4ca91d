// Does this processor have what the model was compiled for?
// In: the model's list of x86 features.  Out: those that are missing.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace rt {

/// Features of the comma-separated list that cpuid, or the operating system's saved state, does not show. Where tile registers are on the list
/// and there, asks Linux for them: to be called before threads start. $CNN_EMULATED_CPU names features to take as there.
std::vector<std::string> missingCpuFeatures(const std::string &list);

/// The processor's own name, e.g. "AMD EPYC 9B14".
std::string cpuName();

/// Of one core; 1 MiB where the processor does not say.
size_t secondLevelCacheBytes();

} // namespace rt
