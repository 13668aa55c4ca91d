// Objects of kernels from earlier compilations, in a folder of the user.
// In: keys, each a text that determines a kernel.  Out: bytes. Best effort: what cannot be read or written is as if it were not there.
#pragma once

#include "compiler/codegen/Codegen.h"

#include "llvm/ADT/StringMap.h"

#include <optional>
#include <string>

namespace cnnc {

/// A file a kernel, named by a hash of its key, of this compiler's own bytes and of everything that code depends on; whole or absent, and
/// with a checksum. Several compilations may share the folder.
class ObjectStore {
public:
  /// `mcpu`, `level`: what the code is made for. The folder: $CNNC_CACHE, else $XDG_CACHE_HOME/cnnc, else ~/.cache/cnnc. An empty $CNNC_CACHE, or
  /// no folder that can be made, turns the store off.
  ObjectStore(const Processor &processor, OptimisationLevel level);

  struct Stored {
    int64_t pieces = 0;
    std::string object;
  };
  /// The kernel's object; it stays here for `object`.
  const Stored *find(llvm::StringRef key);
  void save(llvm::StringRef key, int64_t pieces, llvm::StringRef object);
  /// The symbol that the object of a key defines for a processor: the same in every model.
  static std::string symbolOf(llvm::StringRef key, const Processor &processor);
  /// Empty: the store is off.
  const std::string &where() const { return folder; }
  /// Removes the files that have not been used for longest, until the rest takes at most `bytes`.
  void prune(uint64_t bytes);

private:
  std::string folder; ///< empty: off
  std::string salt;
  llvm::StringMap<Stored> loaded;

  std::string pathOf(llvm::StringRef key) const;
};

} // namespace cnnc
