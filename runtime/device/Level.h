// Which of the levels that a program carries it runs: the tables that code for this processor uses.
// In: cnn_the_model.  Out: one of the models that it leads to.
#pragma once
#include "runtime/abi.h"
#include <string>

namespace rt {

/// The most demanding level whose features this processor has; the least demanding where it has none's. $CNN_LEVEL names another: "v3", or in
/// full as `info` does. Fails with Exit::usage where there is no such level. Runs no generated code.
const cnn_model &chooseLevel(const cnn_model &first);

} // namespace rt
