// TensorBoard's event files.
// In: tags and values.  Out: records of length, its checksum, an Event message, its checksum.
#include "runtime/train/EventFile.h"
#include "runtime/Failure.h"
#include "runtime/params/ProtoWriter.h"
#include "runtime/params/AtomicFile.h"
#include <cerrno>
#include <chrono>
#include <unistd.h>

namespace rt {

uint32_t crc32c(const void *data, size_t size) {
  constexpr uint32_t reversedPolynomial = 0x82f63b78u;
  uint32_t crc = ~0u;
  for (size_t i = 0; i < size; ++i) {
    crc ^= static_cast<const uint8_t *>(data)[i];
    for (int bit = 0; bit < 8; ++bit)
      crc = crc >> 1 ^ (crc & 1 ? reversedPolynomial : 0);
  }
  return ~crc;
}

/// A record's checksum is masked, so that a file of records within a record does not look like one.
static uint32_t masked(const void *data, size_t size) {
  const uint32_t crc = crc32c(data, size);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

EventFile::EventFile(const std::string &directory) {
  makeDirectories(directory);
  char host[65] = "host";
  gethostname(host, sizeof host - 1);
  path = fmt::format("{}/events.out.tfevents.{}.{}.{}", directory, int64_t(now()), host, getpid());
  file.reset(std::fopen(path.c_str(), "wb"));
  if (!file)
    fail(Exit::io, "cannot write {}: {}", printable(path), std::strerror(errno));
  ProtoWriter event;
  event.real64(1, now());               // Event.wall_time
  event.text(3, "brain.Event:2");       // Event.file_version
  record(event.bytes());
}

void EventFile::add(const std::string &tag, uint64_t step, double v) {
  ProtoWriter value, summary, event;
  value.text(1, tag);             // Summary.Value.tag
  value.real32(2, float(v));      // simple_value
  summary.message(1, value);      // Summary.value
  event.real64(1, now());
  event.integer(2, int64_t(step)); // Event.step
  event.message(5, summary);       // Event.summary
  record(event.bytes());
}

void EventFile::record(const std::string &bytes) {
  const uint64_t length = bytes.size();
  const uint32_t lengthSum = masked(&length, sizeof length), sum = masked(bytes.data(), bytes.size());
  std::string out(reinterpret_cast<const char *>(&length), sizeof length);
  out.append(reinterpret_cast<const char *>(&lengthSum), sizeof lengthSum);
  out += bytes;
  out.append(reinterpret_cast<const char *>(&sum), sizeof sum);
  if (std::fwrite(out.data(), 1, out.size(), file.get()) != out.size() || std::fflush(file.get()) != 0)
    fail(Exit::io, "cannot write {}: {}", printable(path), std::strerror(errno));
}

} // namespace rt
