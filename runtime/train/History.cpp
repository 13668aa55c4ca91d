// The lines of every epoch.
// In: lines, the first words of which are {"event":"epoch","epoch":N.  Out: appended with one write each.
#include "runtime/train/History.h"
#include "runtime/Failure.h"
#include "runtime/params/AtomicFile.h"
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rt {

static uint64_t epochOf(const std::string &line) {
  static const std::string before = "{\"event\":\"epoch\",\"epoch\":";
  uint64_t epoch = UINT64_MAX; // not a line of an epoch: dropped
  if (line.compare(0, before.size(), before) == 0)
    std::from_chars(line.data() + before.size(), line.data() + line.size(), epoch);
  return epoch;
}

History::History(const std::string &path, uint64_t epochs) : path(path) {
  constexpr size_t largest = size_t(1) << 30;
  struct stat status;
  std::string kept;
  if (epochs > 0 && ::stat(path.c_str(), &status) == 0 && status.st_size > 0) {
    const std::string all = readFile(path, largest, Exit::io);
    for (size_t at = 0, end; (end = all.find('\n', at)) != std::string::npos; at = end + 1) // a line without end was cut by a crash
      if (const std::string line = all.substr(at, end - at); epochOf(line) <= epochs)
        kept += line + '\n';
  }
  AtomicFile file(path);
  file.write(kept.data(), kept.size());
  file.commit();
}

void History::add(const std::string &line) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  const std::string text = line + '\n';
  bool good = fd >= 0;
  for (size_t done = 0; good && done < text.size();) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    good = n >= 0 || errno == EINTR;
    done += size_t(std::max<ssize_t>(n, 0));
  }
  const int error = errno;
  if (fd >= 0)
    ::close(fd);
  if (!good)
    fail(Exit::io, "cannot write {}: {}", printable(path), std::strerror(error));
}

} // namespace rt
