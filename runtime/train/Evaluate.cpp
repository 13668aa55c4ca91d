// Every sample of a set, exactly once, through the inference code.
// In: batches in the set's order, the last one partial.  Out: a tally.
#include "runtime/train/Evaluate.h"
#include "runtime/device/Element.h"
#include "runtime/train/Interrupt.h"
#include <numeric>

namespace rt {

Tally evaluate(Program &program, BatchLoader &loader, const Dataset &set) {
  const Description &d = program.description;
  Tally tally(d.classes, d.train.smoothing);
  const int64_t batch = program.model.infer.batch;
  AlignedBuffer logits(size_t(batch * d.classes) * elementBytes(program.elementKind()));
  std::vector<int64_t> samples(static_cast<size_t>(batch));
  for (int64_t first = 0; first < set.size() && !pendingSignal(); first += batch) {
    const int64_t n = std::min(batch, set.size() - first);
    std::iota(samples.begin(), samples.end(), first);
    loader.load(set, samples.data(), n, nullptr, 0, program.x(), program.labels());
    program.infer(program.x(), n, logits.data());
    tally.add(logits.data(), program.elementKind(), program.labels(), n);
  }
  return tally;
}

} // namespace rt
