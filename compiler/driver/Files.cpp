// Writes files; those of the user are replaced by a rename.
// In: a path and text.  Out: true, or errno.
#include "compiler/driver/Files.h"

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <sys/stat.h>
#include <unistd.h>

namespace cnnc {

bool writeFile(const std::string &path, const std::string &text) {
  std::FILE *out = path == "-" ? stdout : std::fopen(path.c_str(), "wb");
  if (!out)
    return false;
  bool good = std::fwrite(text.data(), 1, text.size(), out) == text.size();
  return (out == stdout ? std::fflush(out) == 0 : std::fclose(out) == 0) && good;
}

bool replaceFile(const std::string &path, const std::string &text) {
  char resolved[PATH_MAX];
  struct stat status;
  if (!::realpath(path.c_str(), resolved) || ::stat(resolved, &status) != 0)
    return false;
  std::string temporary = std::string(resolved) + ".XXXXXX";
  int descriptor = ::mkstemp(temporary.data());
  if (descriptor < 0)
    return false;
  std::FILE *out = ::fdopen(descriptor, "wb");
  bool good = out && std::fwrite(text.data(), 1, text.size(), out) == text.size() && std::fflush(out) == 0 &&
              ::fchmod(descriptor, status.st_mode) == 0 && ::fsync(descriptor) == 0;
  good = out && std::fclose(out) == 0 && good;
  if (!good || std::rename(temporary.c_str(), resolved) != 0) {
    ::unlink(temporary.c_str());
    return false;
  }
  return true;
}

} // namespace cnnc
