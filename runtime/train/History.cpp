// The lines of every epoch.
// In: lines, the first words of which are {"event":"epoch","epoch":N.  Out: appended with one write each.
#include "runtime/train/History.h"
#include "runtime/Failure.h"
#include "runtime/params/AtomicFile.h"
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace rt {

static constexpr size_t longestHistory = size_t(1) << 30;

static uint64_t epochOf(const std::string &line) {
  static const std::string before = "{\"event\":\"epoch\",\"epoch\":";
  uint64_t epoch = UINT64_MAX; // not a line of an epoch: dropped
  if (line.compare(0, before.size(), before) == 0)
    std::from_chars(line.data() + before.size(), line.data() + line.size(), epoch);
  return epoch;
}

History::History(const std::string &path, uint64_t epochs, const std::string &logDirectory) : path(path) {
  struct stat status;
  std::string kept;
  if (epochs > 0 && ::stat(path.c_str(), &status) == 0 && status.st_size > 0) {
    const std::string all = readFile(path, longestHistory, Exit::io);
    for (size_t at = 0, end; (end = all.find('\n', at)) != std::string::npos; at = end + 1) // a line without end was cut by a crash
      if (const std::string line = all.substr(at, end - at); epochOf(line) <= epochs)
        kept += line + '\n';
  }
  AtomicFile file(path);
  file.write(kept.data(), kept.size());
  file.commit();
  if (!logDirectory.empty())
    events = std::make_unique<EventFile>(logDirectory);
}

void History::add(const EpochReport &report) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  const std::string text = Progress::jsonLine(report) + '\n';
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

void History::addEvents(const EpochReport &r) {
  if (!events)
    return;
  events->add("learning rate", r.step, r.lr);
  events->add("images per second", r.step, r.imagesPerSecond);
  const std::pair<const char *, std::optional<PartMetrics>> parts[] = {{"train", r.train}, {"val", r.val}, {"test", r.test}};
  for (auto &[name, metrics] : parts)
    if (metrics) {
      events->add(fmt::format("loss/{}", name), r.step, metrics->loss);
      events->add(fmt::format("accuracy/{}", name), r.step, metrics->accuracy);
    }
}

std::map<std::string, std::vector<double>> readHistory(const std::string &path) {
  using Json = nlohmann::json;
  std::map<std::string, std::vector<double>> columns;
  struct stat status;
  std::istringstream lines(::stat(path.c_str(), &status) == 0 ? readFile(path, longestHistory, Exit::io) : "");
  size_t epochs = 0;
  for (std::string line; std::getline(lines, line);) {
    const Json object = Json::parse(line, nullptr, false);
    if (!object.is_object()) // a line cut by a crash
      continue;
    auto put = [&](const std::string &name, const Json &value) {
      if (value.is_number()) {
        columns[name].resize(epochs, NAN);
        columns[name].push_back(value.get<double>());
      }
    };
    for (auto &[name, value] : object.items())
      if (value.is_object())
        for (auto &[metric, number] : value.items())
          put(name + "." + metric, number);
      else
        put(name, value);
    ++epochs;
  }
  for (auto &[name, values] : columns)
    values.resize(epochs, NAN);
  return columns;
}

} // namespace rt
