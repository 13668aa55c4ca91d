// A file as memory.
// In: a path.  Out: a mapping, read-only.
#include "runtime/data/MappedFile.h"
#include "runtime/Failure.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rt {

MappedFile::MappedFile(const std::string &path, size_t most) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    fail(Exit::badData, "cannot open {}: {}", printable(path), std::strerror(errno));
  struct stat status;
  const bool regular = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  size = regular ? size_t(status.st_size) : 0;
  const bool fits = size > 0 && size <= most;
  if (fits)
    address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  const int error = errno;
  ::close(fd);
  if (!fits)
    fail(Exit::badData, "{} is {}", printable(path), !regular ? "not a regular file" : size == 0 ? std::string("empty") : fmt::format("larger than {} bytes", most));
  if (address == MAP_FAILED) {
    address = nullptr;
    fail(Exit::badData, "cannot map {}: {}", printable(path), std::strerror(error));
  }
}

MappedFile::~MappedFile() {
  if (address)
    ::munmap(address, size);
}

} // namespace rt
