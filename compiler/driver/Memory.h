// `cnnc show --memory`: what a trainer will hold at its peak, from the plan of its arena.
// In: a Network, the program of its training step.  Out: text, or JSON with the same numbers.
#pragma once

#include "compiler/frontend/Network.h"
#include "compiler/kernels/Program.h"

#include <string>

namespace cnnc {

/// `scratchBytes`: the most that a kernel takes of a thread's stack.
std::string memoryReport(const Network &network, const Program &trainStep, int64_t scratchBytes, bool json);

} // namespace cnnc
