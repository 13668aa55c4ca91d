// Parameters that training leaves as they are.
// In: layers, blocks, or the beginnings of names.  Out: after each step their values, running statistics and optimiser states are put back.
#pragma once
#include "runtime/params/TensorStore.h"

namespace rt {

class Freeze {
public:
  /// Keeps the tensors' values of now.  Fails with Exit::usage on a name that no parameter begins with.
  Freeze(TensorStore &store, const std::vector<std::string> &scopes);
  void putBack();
  /// "3 of 14 parameters stay as they are"
  std::string report() const;

private:
  struct Kept {
    size_t tensor;
    std::vector<char> values;
  };
  TensorStore &store;
  std::vector<Kept> kept;
  size_t frozen = 0;
};

} // namespace rt
