// What a checked network does that nobody wants: warnings, each with its mend.
// In: a Network without errors.  Out: diagnostics.
#pragma once

#include "compiler/frontend/Network.h"
#include "compiler/support/Diagnostics.h"

namespace cnnc {

/// From so many sigmoids or tanhs in a row on, the gradient is under a thousandth: 1/4^5.
constexpr int manySaturating = 5;

void warnAbout(const Network &network, DiagnosticEngine &diagnostics);

} // namespace cnnc
