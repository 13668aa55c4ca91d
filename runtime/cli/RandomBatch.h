// A batch of normal deviates with random labels, for commands that need no data.
// In: a seed.  Out: the program's x and labels filled; the same on every machine.
#pragma once
#include "runtime/train/Program.h"

namespace rt {

/// n elements of the kind at x.
void fillNormal(void *x, uint32_t elementKind, int64_t n, uint64_t seed);
/// The program's own batch of training.
void fillTrainingBatch(Program &program, uint64_t seed);

} // namespace rt
