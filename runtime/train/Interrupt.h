// SIGINT and SIGTERM: the first asks for an orderly end, a second SIGINT ends at once.
// In: signals.  Out: their number, for the loop to look at after each step.
#pragma once

namespace rt {

/// Also ignores SIGXFSZ (a full file then fails with EFBIG) and SIGPIPE (a closed terminal must not cost a training run).
void catchSignals();
int pendingSignal(); ///< 0: none
bool takeCheckpointRequest(); ///< true once after a SIGUSR1

} // namespace rt
