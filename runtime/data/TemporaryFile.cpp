// A file without a name.
// In: bytes.  Out: a mapping, or a message that says how much room is needed and where.
#include "runtime/data/TemporaryFile.h"
#include "runtime/Failure.h"
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace rt {

TemporaryFile::TemporaryFile(uint64_t size, const std::string &what) : size(size), what(what) {
  const char *chosen = std::getenv("TMPDIR");
  folder = chosen && *chosen ? chosen : "/var/tmp";
  std::string name = folder + "/cnn-XXXXXX"; // not O_TMPFILE: some file systems have none
  fd = ::mkostemp(&name[0], O_CLOEXEC);
  if (fd < 0)
    failed(errno);
  ::unlink(name.c_str());
  if (const int error = ::posix_fallocate(fd, 0, off_t(size)); error && error != EOPNOTSUPP && error != EINVAL) {
    ::close(fd);
    failed(error);
  }
}

TemporaryFile::~TemporaryFile() { ::close(fd); }

void TemporaryFile::failed(int error) const {
  fail(Exit::io, "{} needs {} MiB in {}: {}; set TMPDIR to a folder with room, or raise --cache to hold it in memory", what, (size >> 20) + 1, printable(folder),
       std::strerror(error));
}

void TemporaryFile::write(const char *data, size_t left) {
  while (left > 0) {
    const ssize_t n = ::write(fd, data, left);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      failed(errno);
    data += n, left -= size_t(n);
  }
}

std::shared_ptr<const MappedFile> TemporaryFile::map() const { return std::make_shared<const MappedFile>(fd, size, what); }

} // namespace rt
