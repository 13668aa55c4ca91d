// Every sample of a set, exactly once, through the inference code.
// In: batches in the set's order, the last one partial.  Out: a tally.
#include "runtime/train/Evaluate.h"
#include "runtime/device/Element.h"
#include "runtime/train/Interrupt.h"

namespace rt {

std::vector<int64_t> spread(int64_t size, int64_t most) {
  const int64_t n = std::min(size, most);
  std::vector<int64_t> samples;
  for (int64_t k = 0; k < n; ++k)
    samples.push_back(k * size / n);
  return samples;
}

void inferAll(Program &program, BatchLoader &loader, const Dataset &set, int64_t limit, const std::function<void(int64_t, int64_t, const void *)> &see) {
  const Description &d = program.description;
  const int64_t batch = program.model.infer.batch;
  AlignedBuffer logits(size_t(batch * d.classes) * elementBytes(program.elementKind()));
  PrefetchPlan plan;
  plan.samples = spread(set.size(), limit > 0 ? limit * batch : set.size());
  plan.batch = batch;
  plan.capacity = program.capacity();
  plan.workers = prefetchWorkers(set, program.device.pool.threads());
  Prefetch prefetch(loader, set, std::move(plan));
  for (int64_t first = 0; !pendingSignal();) {
    const int64_t n = program.take(prefetch);
    if (n == 0)
      break;
    program.infer(program.x(), n, logits.data());
    see(first, n, logits.data());
    first += n;
  }
}

Tally evaluate(Program &program, BatchLoader &loader, const Dataset &set, int64_t limit) {
  Tally tally(program.description.classes, program.description.train.loss);
  inferAll(program, loader, set, limit, [&](int64_t, int64_t n, const void *logits) { tally.add(logits, program.elementKind(), program.labels(), n); });
  return tally;
}

} // namespace rt
