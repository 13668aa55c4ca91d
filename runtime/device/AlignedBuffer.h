// Memory for arenas, batches and tensors: aligned to 64 bytes, zeroed, freed with its owner.
// In: a size in bytes.  Out: a pointer that lives as long as the buffer.
#pragma once
#include "runtime/Failure.h"
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sys/mman.h>

namespace rt {

class AlignedBuffer {
public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t bytes) : size(bytes) {
    // Large buffers stand on huge pages: fewer misses of the TLB, and memory is fetched ahead beyond the ends of small ones.
    const size_t hugePage = size_t(2) << 20;
    const size_t alignment = bytes >= hugePage / 2 ? hugePage : 64;
    const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    memory.reset(rounded < bytes ? nullptr : std::aligned_alloc(alignment, rounded ? rounded : alignment));
    if (!memory)
      fail(Exit::runFailed, "not enough memory: {} MiB asked for", bytes >> 20);
    if (alignment == hugePage)
      madvise(memory.get(), rounded, MADV_HUGEPAGE);
    std::memset(memory.get(), 0, bytes);
  }
  void *data() const { return memory.get(); }
  char *bytes() const { return static_cast<char *>(memory.get()); }
  template <class T> T *as() const { return static_cast<T *>(memory.get()); }

  size_t size = 0;

private:
  struct Free {
    void operator()(void *p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> memory;
};

} // namespace rt
