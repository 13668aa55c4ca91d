// Gives every buffer of the arena its offset.
// In: buffers with their first and last use, counted in launches.  Out: offsets, and the sizes of the arena and of the gradients that stand outside of it.
#include "compiler/kernels/Program.h"

#include <algorithm>

namespace cnnc {

void planMemory(Program &program) {
  constexpr int64_t alignment = 64;
  program.arenaBytes = 0;
  std::vector<Buffer *> order;
  for (Buffer &b : program.buffers)
    if (b.space == Buffer::Space::Arena || b.space == Buffer::Space::Lr || b.space == Buffer::Space::Step)
      order.push_back(&b);
  std::stable_sort(order.begin(), order.end(), [](Buffer *a, Buffer *b) { return a->bytes > b->bytes; });
  std::vector<Buffer *> placed; // in order of offset
  for (Buffer *b : order) {
    // The lowest gap between the placed buffers that live at the same time.
    int64_t at = 0;
    for (Buffer *p : placed) {
      bool together = p->firstUse <= b->lastUse && b->firstUse <= p->lastUse;
      if (!together)
        continue;
      if (at + b->bytes <= p->offset)
        break;
      at = std::max(at, (p->offset + p->bytes + alignment - 1) / alignment * alignment);
    }
    b->offset = at;
    program.arenaBytes = std::max(program.arenaBytes, at + b->bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), b, [](Buffer *x, Buffer *y) { return x->offset < y->offset; }), b);
  }
  program.arenaBytes = (program.arenaBytes + alignment - 1) / alignment * alignment;
  program.gradientBytes = 0;
  for (Buffer &b : program.buffers)
    if (b.space == Buffer::Space::Gradient) {
      b.offset = program.gradientBytes;
      program.gradientBytes += (b.bytes + alignment - 1) / alignment * alignment;
    }
}

} // namespace cnnc
