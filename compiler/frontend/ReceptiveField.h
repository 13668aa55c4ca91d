// How much of the input each value of a layer depends on.
// In: a Network.  Out: rows and columns of the input, padding counted, one size a layer.
#pragma once

#include "compiler/frontend/Network.h"

namespace cnnc {

/// r_out = r_in + (K_eff - 1) * j_in and j_out = j_in * S on each axis, along the input that sees most; j is the distance in the input between
/// neighbours of the map. A layer that reads a whole map has a kernel of its size.
std::vector<Size2> receptiveFields(const Network &network);

} // namespace cnnc
