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

void MappedFile::map(int fd, const std::string &name) {
  if (void *at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0); at != MAP_FAILED)
    address = at;
  else
    fail(Exit::badData, "cannot map {}: {}", printable(name), std::strerror(errno));
}

MappedFile::MappedFile(int fd, size_t size, const std::string &name) : size(size) { map(fd, name); }

MappedFile::MappedFile(const std::string &path, size_t most) {
  struct Descriptor {
    const int fd;
    ~Descriptor() { ::close(fd); }
  } file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0)
    fail(Exit::badData, "cannot open {}: {}", printable(path), std::strerror(errno));
  struct stat status;
  const bool regular = ::fstat(file.fd, &status) == 0 && S_ISREG(status.st_mode);
  size = regular ? size_t(status.st_size) : 0;
  if (!regular || size == 0 || size > most)
    fail(Exit::badData, "{} is {}", printable(path), !regular ? "not a regular file" : size == 0 ? std::string("empty") : fmt::format("larger than {} bytes", most));
  map(file.fd, path);
}

MappedFile::~MappedFile() {
  if (address)
    ::munmap(address, size);
}

} // namespace rt
