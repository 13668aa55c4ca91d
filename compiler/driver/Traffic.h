// `cnnc show --traffic`: the bytes that a training step moves, kernel by kernel.
// In: a Network, the program of its training step.  Out: text, or JSON with the same numbers.
#pragma once

#include "compiler/frontend/Network.h"
#include "compiler/kernels/Program.h"

#include <string>

namespace cnnc {

/// Every kernel counts its operands once, whatever the caches keep. At least moved is what the products (convolutions and dense layers, forward and
/// backward) and the optimiser's step read and write: what a step would move if everything else happened inside of them.
std::string trafficReport(const Network &network, const Program &trainStep, bool json);

} // namespace cnnc
