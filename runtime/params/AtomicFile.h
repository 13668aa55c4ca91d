// A file that appears whole or not at all.
// In: bytes, written in order.  Out: after commit() the file stands durably under its name; before that, nothing has changed there.
#pragma once
#include "runtime/Failure.h"
#include <cstddef>
#include <string>

namespace rt {

class AtomicFile {
public:
  /// Opens PATH.tmp in the same directory.  One writer per path: the directory's lock sees to that.
  explicit AtomicFile(const std::string &path);
  ~AtomicFile(); ///< removes the temporary file if there was no commit
  AtomicFile(const AtomicFile &) = delete;

  void write(const void *data, size_t size);
  /// fsync, rename, fsync of the directory.
  void commit();

private:
  [[noreturn]] void failed(const char *action);
  std::string path, temporary;
  int fd = -1;
};

/// Creates the directory and its parents (like mkdir -p); fails with Exit::io.
void makeDirectories(const std::string &path);

/// The whole file; fails with the given status when it cannot be read or is larger than `limit` bytes.
std::string readFile(const std::string &path, size_t limit, Exit status);

/// Holds DIRECTORY/.lock as long as it lives: two trainers in one directory are refused.
class DirectoryLock {
public:
  explicit DirectoryLock(const std::string &directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock &) = delete;

private:
  int fd = -1;
};

} // namespace rt
