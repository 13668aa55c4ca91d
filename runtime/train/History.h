// The lines of every epoch, kept beside the checkpoints: history.jsonl.
// In: lines of JSON.  Out: a file with one line for each epoch that `last.safetensors` has seen, and at most one more.
#pragma once
#include <cstdint>
#include <string>

namespace rt {

class History {
public:
  /// Keeps the lines of the first `epochs` epochs of what stands there; 0 begins anew.
  History(const std::string &path, uint64_t epochs);
  void add(const std::string &line);

private:
  std::string path;
};

} // namespace rt
