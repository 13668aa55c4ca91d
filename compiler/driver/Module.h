// Parts of cnnc that are loaded when they are asked for, so that the rest starts without LLVM and MLIR.
// In: a module's name and its entry.  Out: the entry, or the reason why there is none.
#pragma once

#include <string>

namespace cnnc {

/// Looks into ../lib beside the program. Null and `why` if that fails; what has been loaded stays until the end.
void *loadEntry(const std::string &module, const char *entry, std::string &why);

template <typename Entry> Entry loadAs(const std::string &module, const char *entry, std::string &why) {
  return reinterpret_cast<Entry>(loadEntry(module, entry, why));
}

} // namespace cnnc
