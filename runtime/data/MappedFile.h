// A file as memory: the kernel reads its pages when they are looked at and drops them when memory is short.
// In: a path.  Out: its bytes, for as long as this lives.  The file must not be cut meanwhile.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace rt {

class MappedFile {
public:
  /// Fails with Exit::badData on what is no regular file, is empty or larger than `most` bytes.
  MappedFile(const std::string &path, size_t most);
  /// `size` bytes of an open file; the descriptor stays the caller's.
  MappedFile(int fd, size_t size, const std::string &name);
  ~MappedFile();
  MappedFile(const MappedFile &) = delete;
  std::string_view bytes() const { return {static_cast<const char *>(address), size}; }

private:
  void map(int fd, const std::string &name);
  void *address = nullptr;
  size_t size = 0;
};

} // namespace rt
