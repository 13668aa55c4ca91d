// Directories as lists of names, with the C library: <filesystem> is 50 KB of a program.
// In: a path.  Out: sorted names.
#include "runtime/data/Folder.h"
#include "runtime/Failure.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <sys/stat.h>

namespace rt {

bool isFolder(const std::string &path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool isPicture(const std::string &name) {
  const size_t dot = name.rfind('.');
  std::string ending = dot == std::string::npos ? "" : name.substr(dot + 1);
  for (char &c : ending)
    c = c >= 'A' && c <= 'Z' ? char(c + 32) : c;
  return ending == "png" || ending == "jpg" || ending == "jpeg" || ending == "webp";
}

std::vector<std::string> entriesOf(const std::string &directory) {
  DIR *handle = ::opendir(directory.c_str());
  if (!handle)
    fail(Exit::badData, "cannot read the folder {}: {}", printable(directory), std::strerror(errno));
  std::vector<std::string> names;
  while (const dirent *entry = ::readdir(handle))
    if (entry->d_name[0] != '.')
      names.push_back(entry->d_name);
  ::closedir(handle);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> foldersIn(const std::string &directory) {
  std::vector<std::string> names = entriesOf(directory);
  names.erase(std::remove_if(names.begin(), names.end(), [&](const std::string &name) { return !isFolder(directory + "/" + name); }), names.end());
  return names;
}

std::vector<std::string> picturesBelow(const std::string &directory) {
  std::vector<std::string> found;
  for (const std::string &name : entriesOf(directory)) {
    const std::string path = directory + (directory.back() == '/' ? "" : "/") + name;
    struct stat status;
    if (::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
      const std::vector<std::string> below = picturesBelow(path);
      found.insert(found.end(), below.begin(), below.end());
    } else if (isPicture(name) && ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
      found.push_back(path);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

} // namespace rt
