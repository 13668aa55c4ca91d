// data: what the network will see.
// In: a part of the data, how many samples.  Out: a picture of them in the order of the first epoch, augmented as in training, and its counts by class.
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/data/Augment.h"
#include "runtime/data/Image.h"
#include "runtime/data/Order.h"
#include <cmath>
#include <cstring>

namespace rt {

static void place(Image &grid, const Description &d, const uint8_t *image, int64_t top, int64_t left, int64_t zoom) {
  for (int64_t h = 0; h < d.height * zoom; ++h)
    for (int64_t w = 0; w < d.width * zoom; ++w)
      for (int64_t c = 0; c < grid.channels; ++c)
        grid.pixels[size_t(((top + h) * grid.width + left + w) * grid.channels + c)] =
            image[((h / zoom) * d.width + w / zoom) * d.channels + std::min(c, d.channels - 1)];
}

/// Each sample beside its original when there is something to compare.
static Image gridOf(const Description &d, const Dataset &set, const std::vector<int64_t> &samples, const Augment *augment) {
  constexpr int64_t readableSide = 96, gap = 4;
  const int64_t n = int64_t(samples.size()), images = augment ? 2 : 1, zoom = std::max<int64_t>(1, readableSide / std::max(d.height, d.width));
  const int64_t across = std::max<int64_t>(1, int64_t(std::ceil(std::sqrt(double(n * images)) / double(images)))), down = (n + across - 1) / across;
  const int64_t cellH = d.height * zoom + gap, cellW = images * (d.width * zoom + 1) + gap;
  Image grid{down * cellH + gap, across * cellW + gap, d.channels == 1 ? 1 : 3, {}};
  grid.pixels.assign(size_t(grid.height * grid.width * grid.channels), 255);
  std::vector<uint8_t> copy(size_t(d.imageElements()) * 2);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t top = gap + i / across * cellH, left = gap + i % across * cellW;
    std::memcpy(copy.data(), set.image(samples[size_t(i)]), size_t(d.imageElements()));
    place(grid, d, copy.data(), top, left, zoom);
    if (augment) {
      augment->apply(copy.data(), copy.data() + d.imageElements(), 0, uint64_t(samples[size_t(i)]));
      place(grid, d, copy.data(), top, left + d.width * zoom + 1, zoom);
    }
  }
  return grid;
}

int runData(const cnn_model &model, const Options &o) {
  const Description d = parseDescription(model);
  const uint64_t seed = o.seed.value_or(d.train.seed);
  DataParts parts(d, o.data, seed, readOptions(o));
  const auto set = parts.get(o.part);
  std::vector<int64_t> counts(size_t(d.classes), 0);
  for (int64_t i = 0; i < set->size(); ++i)
    ++counts[size_t(set->label(i))];
  fmt::print("{}: {} {} samples of {}x{}x{}\n", d.name, set->size(), o.part, d.channels, d.height, d.width);
  for (int64_t k = 0; k < d.classes; ++k)
    fmt::print("  {:>8}  {}\n", counts[size_t(k)], printable(d.className(k)));
  if (o.out.empty())
    return 0;
  const Augment augment(d, seed);
  const bool train = o.part == "train";
  std::vector<int64_t> order = epochOrder(set->size(), seed, 0);
  order.resize(std::min(order.size(), size_t(o.show)));
  writePng(o.out, gridOf(d, *set, order, train && !augment.none() ? &augment : nullptr));
  fmt::print("{}: the first {} of epoch 1{}:", printable(o.out), order.size(), train && !augment.none() ? ", each left as it is, right as augmented" : "");
  for (int64_t i : order)
    fmt::print(" {}", printable(d.className(set->label(i))));
  fmt::print("\n");
  return 0;
}

} // namespace rt
