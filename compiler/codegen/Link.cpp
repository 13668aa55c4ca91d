// Links a trainer: its objects, the runtime library and the C library's start files, with ld.lld.
// In: the objects' bytes.  Out: an executable at `output`, replaced whole or not at all.
#include "compiler/codegen/Codegen.h"
#include "compiler/codegen/LinkConfig.h"
#include "compiler/codegen/Tools.h"

#include "llvm/Support/FileSystem.h"

using namespace llvm;

namespace cnnc {

Error linkTrainer(ArrayRef<std::string> objects, const std::string &output, bool inference) {
  std::vector<std::string> libraries;
  if (inference)
    libraries.push_back("libcnnc_inference.a"); // first: its main is the one that is taken
  libraries.push_back("libcnnc_runtime.a");
  for (std::string &library : libraries) {
    auto path = runtimeLibrary(library);
    if (!path)
      return path.takeError();
    library = *path;
  }
  auto files = objectFiles(objects);
  if (!files)
    return files.takeError();
  // Beside the target, so that the last step is a rename on one file system.
  std::string draft = output + ".cnnc-tmp";
  std::vector<StringRef> arguments = {"-pie", "-dynamic-linker", "/lib64/ld-linux-x86-64.so.2", "--eh-frame-hdr", "--gc-sections",
                                      "-z", "relro", "-z", "now", "-z", "noexecstack", "--as-needed", "-s", "--build-id=none", "-o", draft};
  StringRef before[] = CNNC_LINK_BEFORE, after[] = CNNC_LINK_AFTER;
  arguments.insert(arguments.end(), std::begin(before), std::end(before));
  for (const TemporaryFile &file : *files)
    arguments.push_back(file.path);
  arguments.insert(arguments.end(), libraries.begin(), libraries.end());
  arguments.insert(arguments.end(), std::begin(after), std::end(after));
  if (auto error = runTool("ld.lld", arguments)) {
    sys::fs::remove(draft);
    return error;
  }
  return moveInPlace(draft, output);
}

} // namespace cnnc
