// Bytes that are made once and need not stay in memory: a file without a name, gone when nobody maps it.
// In: bytes, written in order.  Out: a mapping of them.  The folder is $TMPDIR, or /var/tmp, which is a disk where /tmp may be memory.
#pragma once
#include "runtime/data/MappedFile.h"
#include <cstdint>
#include <memory>

namespace rt {

class TemporaryFile {
public:
  /// Takes the room at once; `what` names it where there is none (Exit::io).
  TemporaryFile(uint64_t size, const std::string &what);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile &) = delete;
  void write(const char *data, size_t size);
  std::shared_ptr<const MappedFile> map() const;

private:
  [[noreturn]] void failed(int error) const;
  uint64_t size;
  std::string folder, what;
  int fd = -1;
};

} // namespace rt
