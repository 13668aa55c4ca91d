// LLVM's tools, temporary files, the runtime library.
// In: arguments.  Out: files, errors.
#include "compiler/codegen/Tools.h"
#include "compiler/codegen/LinkConfig.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace cnnc {

static Error fileError(const Twine &what, std::error_code code) { return createStringError(what + ": " + code.message()); }

/// Writes everything and closes.
static std::error_code fill(int descriptor, StringRef content) {
  raw_fd_ostream out(descriptor, /*shouldClose=*/true);
  out << content;
  out.close();
  auto code = out.error();
  out.clear_error();
  return code;
}

Expected<TemporaryFile> TemporaryFile::make(StringRef suffix, StringRef content) {
  SmallString<128> path;
  int descriptor;
  if (auto code = sys::fs::createTemporaryFile("cnnc", suffix, descriptor, path))
    return fileError("cannot make a temporary file", code);
  TemporaryFile file{std::string(path)};
  if (auto code = fill(descriptor, content))
    return fileError("cannot write " + Twine(path), code);
  return file;
}

TemporaryFile::~TemporaryFile() {
  if (!path.empty())
    sys::fs::remove(path);
}

Expected<std::vector<TemporaryFile>> objectFiles(ArrayRef<std::string> objects) {
  std::vector<TemporaryFile> files;
  for (const std::string &object : objects) {
    auto file = TemporaryFile::make("o", object);
    if (!file)
      return file.takeError();
    files.push_back(std::move(*file));
  }
  return files;
}

Expected<std::string> runtimeLibrary(StringRef name) {
  std::string self = sys::fs::getMainExecutable(nullptr, nullptr);
  SmallString<128> path(sys::path::parent_path(sys::path::parent_path(self)));
  sys::path::append(path, "lib", name);
  if (!sys::fs::exists(path))
    return createStringError("the runtime library is missing: " + Twine(path));
  return std::string(path);
}

Error runTool(StringRef name, ArrayRef<StringRef> arguments) {
  auto tool = sys::findProgramByName(name, {CNNC_LINKER_DIR, "/usr/bin"});
  if (!tool)
    return createStringError(name + Twine(" is not installed (Debian packages lld-22 and llvm-22): ") + tool.getError().message());
  std::vector<StringRef> command = {name};
  command.insert(command.end(), arguments.begin(), arguments.end());
  auto log = TemporaryFile::make("log");
  if (!log)
    return log.takeError();
  std::string message;
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(""), StringRef(log->path)};
  if (sys::ExecuteAndWait(*tool, command, std::nullopt, redirects, 0, 0, &message) == 0)
    return Error::success();
  if (auto text = MemoryBuffer::getFile(log->path))
    message += (*text)->getBuffer().str();
  return createStringError("linking failed: " + message);
}

Error writeWhole(const std::string &path, StringRef content) {
  SmallString<128> draft; // of its own name: others may be writing the same
  int descriptor;
  auto code = sys::fs::createUniqueFile(path + "-%%%%%%%%.tmp", descriptor, draft);
  if (!code && (code = fill(descriptor, content)))
    sys::fs::remove(draft);
  return code ? fileError("cannot write " + path, code) : moveInPlace(std::string(draft), path);
}

Error moveInPlace(const std::string &draft, const std::string &output) {
  auto code = sys::fs::rename(draft, output);
  if (!code)
    return Error::success();
  sys::fs::remove(draft);
  return fileError("cannot write " + output, code);
}

} // namespace cnnc
