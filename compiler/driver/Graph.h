// `cnnc show --graph`: a picture of a network.
// In: a Network.  Out: SVG, or DOT for Graphviz.
#pragma once

#include "compiler/frontend/Network.h"

namespace cnnc {

/// A box a layer, with its shape; the normalisations, activations and dropouts that follow it alone are stripes of the same box.
std::string graphSvg(const Network &network);
std::string graphDot(const Network &network);

} // namespace cnnc
