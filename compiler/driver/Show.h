// `cnnc show`: the table of a network's layers.
// In: a Network.  Out: text, or JSON.
#pragma once

#include "compiler/frontend/Network.h"

namespace cnnc {

std::string showTable(const Network &network);
std::string showJson(const Network &network);

/// 1234567 -> "1,234,567"
std::string grouped(int64_t n);

} // namespace cnnc
