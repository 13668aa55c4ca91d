// A file that appears whole or not at all.
// In: bytes.  Out: open(temporary), write, fsync, rename, fsync(directory), in this order.
#include "runtime/params/AtomicFile.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rt {

AtomicFile::AtomicFile(const std::string &path) : path(path), temporary(path + ".tmp") {
  fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0)
    failed("open");
}

AtomicFile::~AtomicFile() {
  if (fd < 0)
    return;
  ::close(fd);
  ::unlink(temporary.c_str());
}

void AtomicFile::failed(const char *action) {
  const int error = errno;
  if (fd >= 0) {
    ::close(fd);
    ::unlink(temporary.c_str());
    fd = -1;
  }
  fail(Exit::io, "cannot {} {}: {}{}", action, printable(temporary), std::strerror(error),
       error == ENOSPC || error == EFBIG || error == EDQUOT ? "; what stood there before is untouched" : "");
}

void AtomicFile::write(const void *data, size_t size) {
  const char *p = static_cast<const char *>(data);
  while (size > 0) {
    const ssize_t n = ::write(fd, p, std::min(size, size_t(1) << 30));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      failed("write");
    p += n;
    size -= size_t(n);
  }
}

void AtomicFile::commit() {
  if (::fsync(fd) != 0)
    failed("fsync");
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    failed("rename");
  ::close(fd);
  fd = -1;
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int handle = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0)
    return; // the file is in place; a directory that cannot be opened cannot be made more durable
  ::fsync(handle);
  ::close(handle);
}

void makeDirectories(const std::string &path) {
  for (size_t end = 1; end <= path.size(); ++end) {
    if (end != path.size() && path[end] != '/')
      continue;
    if (::mkdir(path.substr(0, end).c_str(), 0777) != 0 && errno != EEXIST)
      fail(Exit::io, "cannot create the directory {}: {}", printable(path.substr(0, end)), std::strerror(errno));
  }
  struct stat status;
  if (::stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
    fail(Exit::io, "{} is not a directory", printable(path));
}

std::string readFile(const std::string &path, size_t limit, Exit status) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    fail(status, "cannot open {}: {}", printable(path), std::strerror(errno));
  struct Close {
    int fd;
    ~Close() { ::close(fd); }
  } close{fd};
  struct stat info;
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
    fail(status, "{} is not a regular file", printable(path));
  if (uint64_t(info.st_size) > limit)
    fail(status, "{} has {} bytes, the limit is {}", printable(path), info.st_size, limit);
  std::string text(size_t(info.st_size), '\0');
  for (size_t at = 0; at < text.size();) {
    const ssize_t n = ::read(fd, &text[at], text.size() - at);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      fail(status, "cannot read {}: {}", printable(path), n == 0 ? "it became shorter meanwhile" : std::strerror(errno));
    at += size_t(n);
  }
  return text;
}

DirectoryLock::DirectoryLock(const std::string &directory) {
  const std::string path = directory + "/.lock";
  fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0)
    fail(Exit::io, "cannot open {}: {}", printable(path), std::strerror(errno));
  // The kernel drops the lock with the process, however that ends.
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(fd);
    if (error == EWOULDBLOCK)
      fail(Exit::io, "another trainer is writing to {} (it holds {}); choose another --checkpoint directory", printable(directory),
           printable(path));
    fail(Exit::io, "cannot lock {}: {}", printable(path), std::strerror(error));
  }
}

DirectoryLock::~DirectoryLock() { ::close(fd); }

} // namespace rt
