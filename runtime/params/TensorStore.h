// The memory of every tensor of a model: parameters, running statistics, optimiser states.
// In: the description's tensors.  Out: aligned memory in storage layout, and copies in logical order.
#pragma once
#include "runtime/device/AlignedBuffer.h"
#include "runtime/device/ThreadPool.h"
#include "runtime/params/Description.h"

namespace rt {

class TensorStore {
public:
  TensorStore(const std::vector<TensorInfo> &tensors, uint32_t elementKind);

  const std::vector<TensorInfo> &infos() const { return tensors; }
  uint32_t elementKind() const { return kind; }
  size_t bytes(size_t i) const;
  size_t totalBytes() const;
  /// Of what inference reads: all but the states of optimisers.
  size_t modelBytes() const;
  /// One pointer per tensor, for cnn_call.tensors. Who writes through them says so by changed().
  void *const *pointers() const { return addresses.data(); }
  void changed() { ++changes; }
  /// Another number after every change.
  uint64_t version() const { return changes; }

  void initialise(uint64_t seed, ThreadPool &pool);
  /// Writes tensor i in logical order to `out`, elements of the store's kind.
  void readLogical(size_t i, void *out) const;
  /// Sets tensor i from logical order; `fromKind` may be the other float type.
  void writeLogical(size_t i, const void *values, uint32_t fromKind);
  /// Where a number is NaN or infinite: the tensor's index, or -1.
  int64_t firstNonFiniteTensor() const;

private:
  std::vector<TensorInfo> tensors;
  uint32_t kind;
  uint64_t changes = 0;
  AlignedBuffer memory;
  std::vector<void *> addresses;
};

/// n elements from one float type to the other (or the same).
void convertElements(const void *from, uint32_t fromKind, void *to, uint32_t toKind, int64_t n);

} // namespace rt
