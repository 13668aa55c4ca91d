// Links a trainer: its objects, the runtime library and the C library's start files, with ld.lld.
// In: the objects' bytes.  Out: an executable at `output`, replaced whole or not at all.
#include "compiler/codegen/Codegen.h"
#include "compiler/codegen/LinkConfig.h"
#include "compiler/codegen/Tools.h"

#include "llvm/Support/FileSystem.h"

using namespace llvm;

namespace cnnc {

Error linkTrainer(ArrayRef<std::string> objects, const std::string &output, bool inference) {
  auto runtime = runtimeLibrary("libcnnc_runtime.a"), smallMain = runtimeLibrary("libcnnc_inference.a");
  if (!runtime || !smallMain) {
    Error error = Error::success();
    for (auto *library : {&runtime, &smallMain})
      if (!*library)
        error = joinErrors(std::move(error), library->takeError());
    return error;
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
  if (inference)
    arguments.push_back(*smallMain); // first: its main is the one that is taken
  arguments.push_back(*runtime);
  arguments.insert(arguments.end(), std::begin(after), std::end(after));
  if (auto error = runTool("ld.lld", arguments)) {
    sys::fs::remove(draft);
    return error;
  }
  return moveInPlace(draft, output);
}

} // namespace cnnc
