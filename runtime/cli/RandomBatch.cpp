// A batch of normal deviates with random labels.
// In: a seed.  Out: x and labels, drawn by counter.
#include "runtime/cli/RandomBatch.h"
#include "runtime/device/Element.h"
#include "runtime/params/Philox.h"
#include <algorithm>

namespace rt {

void fillNormal(void *x, uint32_t kind, int64_t n, uint64_t seed) {
  const Philox philox(seed, Draw::bench, 0);
  withElement(kind, [&](auto zero) {
    auto *values = static_cast<decltype(zero) *>(x);
    constexpr int64_t most = 4096;
    double drawn[most];
    for (int64_t i = 0; i < n; i += most) {
      const int64_t take = std::min(most, n - i);
      philox.normals(uint32_t(i / 2), take, drawn);
      std::transform(drawn, drawn + take, values + i, [](double v) { return decltype(zero)(v); });
    }
  });
}

void fillTrainingBatch(Program &program, uint64_t seed) {
  const Description &d = program.description;
  fillNormal(program.x(), program.elementKind(), program.batch() * d.imageElements(), seed);
  const Philox labels(seed, Draw::bench, 1);
  for (int64_t i = 0; i < program.batch(); ++i)
    program.labels()[i] = int32_t(labels.below(uint32_t(i), uint64_t(d.classes)));
}

} // namespace rt
