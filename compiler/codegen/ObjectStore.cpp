// The folder of kernels' objects. File: "cnnc-kernel 1\n", then u64 pieces, u64 bytes of the key, u64 bytes of the object, u64 hash of both, key,
// object; little endian.
// In: keys.  Out: bytes.
#include "compiler/codegen/ObjectStore.h"
#include "compiler/codegen/Tools.h"

#include "llvm/Config/llvm-config.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/xxhash.h"

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>
#include <vector>

using namespace llvm;

namespace cnnc {
namespace {

constexpr StringRef magic = "cnnc-kernel 1\n";
constexpr StringRef extension = ".kernel";

std::string hex(XXH128_hash_t h) { return utohexstr(h.high64, true, 16) + utohexstr(h.low64, true, 16); }

XXH128_hash_t hashOf(StringRef text) { return xxh3_128bits(arrayRefFromStringRef(text)); }

std::string defaultFolder() {
  if (const char *chosen = std::getenv("CNNC_CACHE"))
    return chosen;
  SmallString<128> path;
  if (!sys::path::cache_directory(path))
    return "";
  sys::path::append(path, "cnnc");
  return std::string(path);
}

} // namespace

ObjectStore::ObjectStore(const Processor &processor, OptimisationLevel level) : folder(defaultFolder()) {
  if (folder.empty())
    return;
  if (sys::fs::create_directories(folder)) {
    folder.clear();
    return;
  }
  // Another compiler makes other code: its own bytes are part of every name.
  Dl_info self{}; // the file that this code was loaded from
  auto code = dladdr(reinterpret_cast<void *>(&defaultFolder), &self)
                  ? MemoryBuffer::getFile(self.dli_fname, /*IsText=*/false, /*RequiresNullTerminator=*/false)
                  : ErrorOr<std::unique_ptr<MemoryBuffer>>(std::make_error_code(std::errc::no_such_file_or_directory));
  if (!code) {
    folder.clear();
    return;
  }
  const TargetInfo &t = processor.info;
  salt = hex(hashOf((*code)->getBuffer())) + " " LLVM_VERSION_STRING " " + processor.machine->getTargetCPU().str() + " " +
         processor.machine->getTargetFeatureString().str() + " " + std::to_string(int(level));
  for (int64_t n : {t.vectorBytes, t.registers, t.l1Bytes, t.l2Bytes, int64_t(t.winograd)})
    salt += " " + std::to_string(n);
}

std::string ObjectStore::symbolOf(StringRef key, const Processor &processor) {
  return "cnn_kernel_" + hex(hashOf(processor.machine->getTargetCPU().str() + "\n" + key.str()));
}

std::string ObjectStore::pathOf(StringRef key) const {
  SmallString<128> path(folder);
  sys::path::append(path, hex(hashOf(salt + "\n" + key.str())) + extension);
  return std::string(path);
}

const ObjectStore::Stored *ObjectStore::find(StringRef key) {
  if (auto it = loaded.find(key); it != loaded.end())
    return &it->second;
  if (folder.empty())
    return nullptr;
  std::string path = pathOf(key);
  auto file = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    return nullptr;
  StringRef rest = (*file)->getBuffer();
  constexpr size_t numbers = 4 * sizeof(uint64_t);
  if (!rest.consume_front(magic) || rest.size() < numbers)
    return nullptr;
  auto number = [&](int i) { return support::endian::read64le(rest.data() + i * sizeof(uint64_t)); };
  uint64_t pieces = number(0), keySize = number(1), objectSize = number(2), checksum = number(3);
  rest = rest.drop_front(numbers);
  if (keySize != key.size() || rest.size() < keySize || rest.size() - keySize != objectSize || xxh3_64bits(rest) != checksum ||
      rest.take_front(keySize) != key)
    return nullptr;
  int descriptor; // used now: the oldest go first
  if (!sys::fs::openFileForWrite(path, descriptor, sys::fs::CD_OpenExisting, sys::fs::OF_Append)) {
    (void)sys::fs::setLastAccessAndModificationTime(descriptor, std::chrono::system_clock::now());
    (void)sys::Process::SafelyCloseFileDescriptor(descriptor);
  }
  Stored &s = loaded[key];
  s.pieces = pieces;
  s.object = rest.drop_front(keySize).str();
  return &s;
}

void ObjectStore::save(StringRef key, int64_t pieces, StringRef object) {
  if (folder.empty())
    return;
  std::string content(magic.size() + 4 * sizeof(uint64_t), '\0'), body = key.str() + object.str();
  std::copy(magic.begin(), magic.end(), content.begin());
  char *at = content.data() + magic.size();
  for (uint64_t n : {uint64_t(pieces), uint64_t(key.size()), uint64_t(object.size()), xxh3_64bits(body)}) {
    support::endian::write64le(at, n);
    at += sizeof(uint64_t);
  }
  consumeError(writeWhole(pathOf(key), content + body));
}

void ObjectStore::prune(uint64_t bytes) {
  if (folder.empty())
    return;
  struct File {
    sys::TimePoint<> used;
    uint64_t size;
    std::string path;
  };
  std::vector<File> files;
  uint64_t total = 0;
  std::error_code code;
  for (sys::fs::directory_iterator it(folder, code), end; it != end && !code; it.increment(code)) {
    StringRef name = sys::path::filename(it->path());
    if (!name.ends_with(extension) && !name.ends_with(".tmp")) // nobody else's files
      continue;
    auto status = it->status();
    if (!status)
      continue;
    files.push_back({status->getLastModificationTime(), status->getSize(), it->path()});
    total += status->getSize();
  }
  std::sort(files.begin(), files.end(), [](const File &a, const File &b) { return a.used < b.used; });
  for (const File &f : files) {
    if (total <= bytes)
      break;
    if (!sys::fs::remove(f.path))
      total -= f.size;
  }
}

} // namespace cnnc
