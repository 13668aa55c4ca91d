// The fall of the learning rate on a plateau, as PyTorch's ReduceLROnPlateau (mode of the metric, threshold relative) decides it.
// In: a metric after each epoch.  Out: the factor of the learning rate from the next epoch on.
#pragma once
#include "runtime/params/Checkpoint.h"

namespace rt {

/// Takes an epoch's metric into the state; true where the rate falls.
bool observePlateau(const PlateauRule &rule, PlateauState &state, double metric);

} // namespace rt
