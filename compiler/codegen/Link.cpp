// Links a trainer: its objects, the runtime library and the C library's start files, with ld.lld.
// In: the objects' bytes.  Out: an executable at `output`, replaced whole or not at all.
#include "compiler/codegen/Codegen.h"
#include "compiler/codegen/LinkConfig.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace llvm;

namespace cnnc {
namespace {

Error fileError(const Twine &what, std::error_code code) { return createStringError(what + ": " + code.message()); }

/// The runtime library stands beside the compiler: <prefix>/bin/cnnc, <prefix>/lib/libcnnc_runtime.a.
std::string runtimeLibrary() {
  std::string self = sys::fs::getMainExecutable(nullptr, nullptr);
  SmallString<128> path(sys::path::parent_path(sys::path::parent_path(self)));
  sys::path::append(path, "lib", "libcnnc_runtime.a");
  return std::string(path);
}

} // namespace

Error linkTrainer(ArrayRef<std::string> objects, const std::string &output) {
  std::string runtime = runtimeLibrary();
  if (!sys::fs::exists(runtime))
    return createStringError("the runtime library is missing: " + runtime);
  auto linker = sys::findProgramByName("ld.lld", {CNNC_LINKER_DIR, "/usr/bin"});
  if (!linker)
    return createStringError("ld.lld is not installed (Debian package lld-22): " + linker.getError().message());

  SmallString<128> folder;
  if (auto code = sys::fs::createUniqueDirectory("cnnc", folder))
    return fileError("cannot make a temporary folder", code);
  scope_exit removeFolder([&] { sys::fs::remove_directories(folder); });
  std::vector<std::string> paths;
  for (const std::string &object : objects) {
    paths.push_back((folder + "/" + Twine(paths.size()) + ".o").str());
    std::error_code code;
    raw_fd_ostream out(paths.back(), code);
    if (!code) {
      out << object;
      out.flush();
      code = out.error();
      out.clear_error();
    }
    if (code)
      return fileError("cannot write " + Twine(paths.back()), code);
  }
  // Beside the target, so that the last step is a rename on one file system.
  std::string draft = output + ".cnnc-tmp";
  std::vector<StringRef> arguments = {"ld.lld", "-pie", "-dynamic-linker", "/lib64/ld-linux-x86-64.so.2", "--eh-frame-hdr", "--gc-sections",
                                      "-z", "relro", "-z", "now", "-z", "noexecstack", "--as-needed", "-s", "--build-id=none", "-o", draft};
  StringRef before[] = CNNC_LINK_BEFORE, after[] = CNNC_LINK_AFTER;
  arguments.insert(arguments.end(), std::begin(before), std::end(before));
  arguments.insert(arguments.end(), paths.begin(), paths.end());
  arguments.push_back(runtime);
  arguments.insert(arguments.end(), std::begin(after), std::end(after));

  SmallString<128> log;
  if (auto code = sys::fs::createTemporaryFile("cnnc", "log", log))
    return fileError("cannot make a temporary file", code);
  FileRemover removeLog(log);
  std::string message;
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(""), StringRef(log)};
  int status = sys::ExecuteAndWait(*linker, arguments, std::nullopt, redirects, 0, 0, &message);
  if (status != 0) {
    sys::fs::remove(draft);
    if (auto text = MemoryBuffer::getFile(log))
      message += (*text)->getBuffer().str();
    return createStringError("linking failed: " + message);
  }
  if (auto code = sys::fs::rename(draft, output)) {
    sys::fs::remove(draft);
    return fileError("cannot write " + output, code);
  }
  return Error::success();
}

} // namespace cnnc
