// What a training run leaves for people to look at: history.csv beside its checkpoints, and TensorBoard's event files where asked for.
// In: the numbers of every epoch.  Out: one row an epoch; a resumed run goes on after the rows of the epochs before it.
#pragma once
#include "runtime/train/EventFile.h"
#include "runtime/train/Progress.h"
#include <map>
#include <vector>

namespace rt {

class RunLog {
public:
  /// `epochsDone`: rows after it, of a run that got further and was lost, are dropped.  An empty `logDirectory`: no event files.
  RunLog(const std::string &checkpointDirectory, const std::string &logDirectory, uint64_t epochsDone);
  /// Fails with Exit::io, when the epoch's checkpoint already stands.
  void epoch(const EpochReport &report);

private:
  std::string path, rows;
  std::unique_ptr<EventFile> events;
};

/// A column of history.csv by name; numbers that are not there are NaN. No file: an empty map.
std::map<std::string, std::vector<double>> readHistory(const std::string &path);

} // namespace rt
