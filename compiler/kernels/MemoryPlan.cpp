// Gives every buffer of the arena its offset.
// In: buffers with their first and last use, counted in launches.  Out: offsets, and the sizes of the arena, of a thread's local memory and of the gradients
// that stand outside of it.
#include "compiler/kernels/Program.h"

#include <algorithm>

namespace cnnc {

constexpr int64_t alignment = 64;

static int64_t aligned(int64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

/// Offsets of buffers that share one memory; its size.
static int64_t place(std::vector<Buffer *> order) {
  auto sizeOf = [](const Buffer *b) { return b->space == Buffer::Space::Local ? b->unitBytes : b->bytes; };
  int64_t end = 0;
  std::stable_sort(order.begin(), order.end(), [&](Buffer *a, Buffer *b) { return sizeOf(a) > sizeOf(b); });
  std::vector<Buffer *> placed; // in order of offset
  for (Buffer *b : order) {
    // The lowest gap between the placed buffers that live at the same time.
    int64_t at = 0;
    for (Buffer *p : placed) {
      bool together = p->firstUse <= b->lastUse && b->firstUse <= p->lastUse;
      if (!together)
        continue;
      if (at + sizeOf(b) <= p->offset)
        break;
      at = std::max(at, aligned(p->offset + sizeOf(p)));
    }
    b->offset = at;
    end = std::max(end, at + sizeOf(b));
    placed.insert(std::upper_bound(placed.begin(), placed.end(), b, [](Buffer *x, Buffer *y) { return x->offset < y->offset; }), b);
  }
  return aligned(end);
}

void planMemory(Program &program) {
  std::vector<Buffer *> arena, local;
  for (Buffer &b : program.buffers) {
    if (b.space == Buffer::Space::Arena || b.space == Buffer::Space::Lr || b.space == Buffer::Space::Step)
      arena.push_back(&b);
    if (b.space == Buffer::Space::Local)
      local.push_back(&b);
  }
  program.arenaBytes = place(arena);
  program.localBytes = place(local);
  program.gradientBytes = 0;
  for (Buffer &b : program.buffers)
    if (b.space == Buffer::Space::Gradient) {
      b.offset = program.gradientBytes;
      program.gradientBytes += aligned(b.bytes);
    }
}

} // namespace cnnc
