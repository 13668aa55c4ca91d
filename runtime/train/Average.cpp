// The exponential moving average of weights.
// In: element by element.  Out: the same bits for any number of threads.
#include "runtime/train/Average.h"
#include "runtime/device/Element.h"
#include <cstring>
#include <utility>

namespace rt {

Average::Average(TensorStore &store, double decay, ThreadPool &pool) : store(store), decay(decay), pool(pool) {
  for (size_t i = 0; i < store.infos().size(); ++i) {
    averages.emplace_back(store.infos()[i].kind == TensorKind::state ? AlignedBuffer() : AlignedBuffer(store.bytes(i)));
    if (averages[i].size)
      std::memcpy(averages[i].data(), store.pointers()[i], averages[i].size);
  }
}

void Average::update(uint64_t step) {
  const double d = std::min(decay, (1 + double(step)) / (10 + double(step)));
  withElement(store.elementKind(), [&](auto zero) {
    using T = decltype(zero);
    const T add = T(1 - d);
    pool.parallelFor(int64_t(averages.size()), [&](int64_t i) {
      T *a = averages[size_t(i)].template as<T>();
      const T *w = static_cast<const T *>(store.pointers()[i]);
      for (size_t k = 0; k < averages[size_t(i)].size / sizeof(T); ++k)
        a[k] += add * (w[k] - a[k]); // of a weight that stays as it is, its very bits
    });
  });
}

void Average::exchange() {
  for (size_t i = 0; i < averages.size(); ++i) {
    char *a = averages[i].bytes(), *w = static_cast<char *>(store.pointers()[i]);
    std::swap_ranges(a, a + averages[i].size, w);
  }
  store.changed();
}

} // namespace rt
