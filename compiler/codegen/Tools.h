// What linking needs of the machine: LLVM's tools, temporary files, the runtime library.
// In: arguments.  Out: files; errors with the tool's own words.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace cnnc {

/// Goes when it goes out of scope.
struct TemporaryFile {
  static llvm::Expected<TemporaryFile> make(llvm::StringRef suffix, llvm::StringRef content = "");
  explicit TemporaryFile(std::string path) : path(std::move(path)) {}
  TemporaryFile(TemporaryFile &&other) : path(std::move(other.path)) { other.path.clear(); }
  ~TemporaryFile();
  std::string path;
};

llvm::Expected<std::vector<TemporaryFile>> objectFiles(llvm::ArrayRef<std::string> objects);

/// Beside the compiler: <prefix>/bin/cnnc, <prefix>/lib/NAME.
llvm::Expected<std::string> runtimeLibrary(llvm::StringRef name);
/// `name` is looked for in LLVM's directory, then in /usr/bin; no shell.
llvm::Error runTool(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> arguments);
/// Replaces the file at `path` whole, or leaves it.
llvm::Error writeWhole(const std::string &path, llvm::StringRef content);
llvm::Error moveInPlace(const std::string &draft, const std::string &output);

} // namespace cnnc
