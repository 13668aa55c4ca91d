// Links a library: the objects and what it needs of the runtime, in one relocatable object whose only names are the network's own.
// In: the objects' bytes, the network's name.  Out: lib.a, lib.so, lib.h, each replaced whole.
#include "compiler/codegen/Codegen.h"
#include "compiler/codegen/LinkConfig.h"
#include "compiler/codegen/Tools.h"

#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

extern const char libraryHeaderText[];

namespace cnnc {

/// The functions that runtime/lib/library.h declares.
static std::vector<std::string> functionsOf(StringRef header) {
  std::vector<std::string> names;
  SmallVector<StringRef> lines;
  header.split(lines, '\n');
  for (StringRef line : lines) {
    size_t open = line.find('(');
    if (line.starts_with(" ") || line.starts_with("/") || open == StringRef::npos || line.starts_with("typedef"))
      continue;
    size_t begin = line.substr(0, open).rfind("cnn_lib_");
    if (begin != StringRef::npos)
      names.push_back(line.slice(begin, open).str());
  }
  return names;
}

static std::string replaced(StringRef text, StringRef from, StringRef to) {
  std::string out;
  for (size_t at; (at = text.find(from)) != StringRef::npos; text = text.drop_front(at + from.size()))
    (out += text.take_front(at)) += to;
  return out += text;
}

static std::string headerFor(const std::string &network, const LibrarySizes &sizes, StringRef libraryName) {
  std::string header = libraryHeaderText;
  const std::pair<const char *, int64_t> numbers[] = {
      {"CHANNELS", sizes.channels}, {"HEIGHT", sizes.height}, {"WIDTH", sizes.width}, {"CLASSES", sizes.classes}, {"BATCH", sizes.batch}};
  for (auto [name, number] : numbers)
    header = replaced(header, std::string(name) + " = 0", std::string(name) + " = " + std::to_string(number));
  header = replaced(header, "NETWORK as", network + " as");
  header = replaced(header, "libNAME", libraryName);
  header = replaced(header, "CNN_LIB", StringRef(network).upper());
  return replaced(header, "cnn_lib", network);
}

Error linkLibrary(ArrayRef<std::string> objects, const std::string &network, const LibrarySizes &sizes, const std::string &output) {
  auto runtime = runtimeLibrary("libcnnc_runtime.a");
  if (!runtime)
    return runtime.takeError();
  auto files = objectFiles(objects);
  if (!files)
    return files.takeError();
  auto joined = TemporaryFile::make("o"), renamed = TemporaryFile::make("o");
  for (auto *file : {&joined, &renamed})
    if (!*file)
      return file->takeError();
  const std::vector<std::string> functions = functionsOf(libraryHeaderText);

  // One object of the model and what of the runtime its functions need; groups of inline functions are dissolved, for their names become local.
  // (With --gc-sections as well, lld 22 writes frames in which no handler is found.)
  std::vector<StringRef> arguments = {"-r", "--force-group-allocation", "-o", joined->path};
  for (const std::string &function : functions)
    arguments.insert(arguments.end(), {"-u", function});
  for (const TemporaryFile &file : *files)
    arguments.push_back(file.path);
  arguments.insert(arguments.end(), {*runtime, CNNC_ZLIB}); // zlib: the checksum of checkpoints
  if (auto error = runTool("ld.lld", arguments))
    return error;
  std::vector<std::string> names;
  for (const std::string &function : functions) {
    names.push_back("--keep-global-symbol=" + function); // by the name before the change
    names.push_back("--redefine-sym=" + function + "=" + network + function.substr(StringRef("cnn_lib").size()));
  }
  arguments = {"--strip-debug"};
  arguments.insert(arguments.end(), names.begin(), names.end());
  arguments.insert(arguments.end(), {joined->path, renamed->path});
  if (auto error = runTool("llvm-objcopy", arguments))
    return error;

  auto member = NewArchiveMember::getFile(renamed->path, /*Deterministic=*/true);
  if (!member)
    return member.takeError();
  const std::string memberName = network + ".o";
  member->MemberName = memberName;
  std::vector<NewArchiveMember> members;
  members.push_back(std::move(*member));
  if (auto error = writeArchive(output + ".a.cnnc-tmp", members, SymtabWritingMode::NormalSymtab, object::Archive::K_GNU, /*Deterministic=*/true, /*Thin=*/false))
    return error;
  if (auto error = moveInPlace(output + ".a.cnnc-tmp", output + ".a"))
    return error;

  const std::string draft = output + ".so.cnnc-tmp", soname = (sys::path::filename(output) + ".so").str();
  arguments = {"-shared", "-soname", soname, "--eh-frame-hdr", "--gc-sections", "--exclude-libs", "ALL", "-z", "relro", "-z", "now", "-z", "noexecstack", "-z", "defs",
               "--as-needed", "-s", "--build-id=none", "-o", draft};
  StringRef before[] = CNNC_SHARED_BEFORE, after[] = CNNC_SHARED_AFTER;
  arguments.insert(arguments.end(), std::begin(before), std::end(before));
  arguments.push_back(renamed->path);
  arguments.insert(arguments.end(), std::begin(after), std::end(after));
  if (auto error = runTool("ld.lld", arguments)) {
    sys::fs::remove(draft);
    return error;
  }
  if (auto error = moveInPlace(draft, output + ".so"))
    return error;
  StringRef name = sys::path::filename(output), bare = name;
  bare.consume_front("lib");
  SmallString<128> header(sys::path::parent_path(output));
  sys::path::append(header, bare + ".h");
  return writeWhole(std::string(header), headerFor(network, sizes, name));
}

} // namespace cnnc
