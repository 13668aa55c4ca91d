// Parameters that training leaves as they are.
// In: the beginnings of names, separated by commas.  Out: after each step their values, running statistics and optimiser states are put back.
#pragma once
#include "runtime/params/TensorStore.h"

namespace rt {

class Freeze {
public:
  /// Keeps the tensors' values of now.  Fails with Exit::usage on a beginning that no parameter has.
  Freeze(TensorStore &store, const std::string &prefixes);
  void putBack() const;
  size_t parameters() const { return count; }

private:
  struct Kept {
    size_t tensor;
    std::vector<char> values;
  };
  TensorStore &store;
  std::vector<Kept> kept;
  size_t count = 0;
};

} // namespace rt
