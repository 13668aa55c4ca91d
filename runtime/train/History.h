// What a training run leaves for people and machines to look at: history.jsonl beside its checkpoints, TensorBoard's event files where asked for.
// In: the numbers of every epoch.  Out: a file with one line for each epoch that `last.safetensors` has seen, and at most one more.
#pragma once
#include "runtime/train/EventFile.h"
#include "runtime/train/Progress.h"
#include <map>
#include <memory>

namespace rt {

class History {
public:
  /// Keeps the lines of the first `epochs` epochs of what stands there; 0 begins anew.  An empty `logDirectory`: no event files.
  History(const std::string &path, uint64_t epochs, const std::string &logDirectory);
  /// Before the epoch's checkpoint: a line too many is cut off by --resume.
  void add(const EpochReport &report);
  /// After it: what fails here fails beside a checkpoint that stands.
  void addEvents(const EpochReport &report);

private:
  std::string path;
  std::unique_ptr<EventFile> events;
};

/// The numbers of history.jsonl by name, e.g. "epoch", "lr", "val.loss", one an epoch; what an epoch lacks is NaN.  No file: an empty map.
std::map<std::string, std::vector<double>> readHistory(const std::string &path);

} // namespace rt
