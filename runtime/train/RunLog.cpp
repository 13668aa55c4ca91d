// history.csv and event files.
// In: the numbers of every epoch.  Out: files; history.csv is replaced whole, so that it is never torn.
#include "runtime/train/RunLog.h"
#include "runtime/params/AtomicFile.h"
#include <cmath>
#include <cstdlib>
#include <sstream>
#include <sys/stat.h>

namespace rt {

static constexpr const char *heads = "epoch,step,lr,train_loss,train_accuracy,val_loss,val_accuracy,test_loss,test_accuracy,seconds,img_s";
static constexpr size_t longestHistory = size_t(64) << 20;

static std::string readWhole(const std::string &path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 ? readFile(path, longestHistory, Exit::io) : "";
}

RunLog::RunLog(const std::string &directory, const std::string &logDirectory, uint64_t epochsDone) : path(directory + "/history.csv") {
  rows = std::string(heads) + "\n";
  std::istringstream old(epochsDone ? readWhole(path) : "");
  std::string line;
  for (bool first = true; std::getline(old, line); first = false)
    if (!first && std::strtoull(line.c_str(), nullptr, 10) >= 1 && std::strtoull(line.c_str(), nullptr, 10) <= epochsDone)
      rows += line + "\n";
  if (!logDirectory.empty())
    events = std::make_unique<EventFile>(logDirectory);
}

void RunLog::epoch(const EpochReport &r) {
  auto part = [](const std::optional<PartMetrics> &m) { return m ? fmt::format("{},{}", m->loss, m->accuracy) : std::string(","); };
  rows += fmt::format("{},{},{},{},{},{},{:.3f},{:.1f}\n", r.epoch, r.step, r.lr, part(r.train), part(r.val), part(r.test), r.seconds,
                      r.imagesPerSecond);
  AtomicFile file(path);
  file.write(rows.data(), rows.size());
  file.commit();
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
  std::map<std::string, std::vector<double>> columns;
  std::istringstream text(readWhole(path));
  std::string line, cell;
  std::vector<std::string> names;
  while (std::getline(text, line)) {
    std::istringstream cells(line);
    for (size_t i = 0; std::getline(cells, cell, ','); ++i)
      if (i < names.size())
        columns[names[i]].push_back(cell.empty() ? NAN : std::strtod(cell.c_str(), nullptr));
    if (names.empty()) {
      std::istringstream head(line);
      while (std::getline(head, cell, ','))
        names.push_back(cell);
    }
  }
  return columns;
}

} // namespace rt
