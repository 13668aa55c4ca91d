// TensorBoard's event files: scalars by step (tensorflow/core/util/event.proto, lib/io/record_writer.cc).
// In: tags and values.  Out: records, each whole on disk when add() returns.
#pragma once
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

namespace rt {

/// Castagnoli's CRC-32 (RFC 3720, appendix B.4).
uint32_t crc32c(const void *data, size_t size);

class EventFile {
public:
  /// Makes DIRECTORY/events.out.tfevents.SECONDS.HOST.PID; fails with Exit::io.
  explicit EventFile(const std::string &directory);
  void add(const std::string &tag, uint64_t step, double value);

private:
  void record(const std::string &bytes);
  struct Close {
    void operator()(FILE *file) const { std::fclose(file); }
  };
  std::string path;
  std::unique_ptr<FILE, Close> file;
};

} // namespace rt
