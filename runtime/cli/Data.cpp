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

/// The bytes of a sample of the first epoch, changed as in training but not mixed.
static std::vector<uint8_t> augmented(const Description &d, const Dataset &set, int64_t sample, const Augment &augment) {
  std::vector<uint8_t> image(size_t(d.imageElements())), scratch(image.size());
  std::memcpy(image.data(), set.image(sample), image.size());
  augment.apply(image.data(), scratch.data(), 0, uint64_t(sample));
  return image;
}

/// Each sample, where there is something to compare beside its original.  `batch`: the first samples of the epoch, which are mixed among each other.
static Image gridOf(const Description &d, const Dataset &set, const std::vector<int64_t> &batch, int64_t n, const Augment *augment) {
  constexpr int64_t readableSide = 96, gap = 4;
  const int64_t images = augment ? 2 : 1, zoom = std::max<int64_t>(1, readableSide / std::max(d.height, d.width));
  const int64_t across = std::max<int64_t>(1, int64_t(std::ceil(std::sqrt(double(n * images)) / double(images)))), down = (n + across - 1) / across;
  const int64_t cellH = d.height * zoom + gap, cellW = images * (d.width * zoom + 1) + gap;
  Image grid{down * cellH + gap, across * cellW + gap, d.channels == 1 ? 1 : 3, {}};
  grid.pixels.assign(size_t(grid.height * grid.width * grid.channels), 255);
  std::vector<uint8_t> changed(size_t(d.imageElements()));
  for (int64_t i = 0; i < n; ++i) {
    const int64_t sample = batch[size_t(i)], top = gap + i / across * cellH, left = gap + i % across * cellW;
    place(grid, d, set.image(sample), top, left, zoom);
    if (!augment)
      continue;
    changed = augmented(d, set, sample, *augment);
    if (const Mixing &mixing = augment->mixing(); !mixing.none()) {
      const Blend blend = mixing.blend(0, uint64_t(sample), int64_t(batch.size()));
      const std::vector<uint8_t> own = changed, partner = augmented(d, set, batch[size_t(blend.partner)], *augment);
      mixing.apply(blend, own.data(), partner.data(), changed.data());
    }
    place(grid, d, changed.data(), top, left + d.width * zoom + 1, zoom);
  }
  return grid;
}

int runData(const cnn_model &model, const Options &o) {
  Description d = parseDescription(model);
  const uint64_t seed = o.seed.value_or(d.train.seed);
  DataParts parts(d, o.data, seed, readOptions(o));
  const auto set = parts.get(o.part);
  d.foundClassNames = set->classNames();
  std::vector<int64_t> counts(size_t(d.classes), 0);
  for (int64_t i = 0; i < set->size(); ++i)
    ++counts[size_t(set->label(i))];
  fmt::print("{}: {} {} samples of {}x{}x{}\n", d.name, set->size(), o.part, d.channels, d.height, d.width);
  for (int64_t k = 0; k < d.classes; ++k)
    fmt::print("  {:>8}  {}\n", counts[size_t(k)], printable(d.className(k)));
  if (o.out.empty())
    return 0;
  const Augment augment(d, seed);
  const bool changes = o.part == "train" && (!augment.none() || !augment.mixing().none());
  std::vector<int64_t> batch = epochOrder(set->size(), seed, 0);
  const int64_t shown = std::min(set->size(), o.show);
  batch.resize(size_t(std::min(set->size(), std::max(d.batch, shown))));
  writePng(o.out, gridOf(d, *set, batch, shown, changes ? &augment : nullptr));
  fmt::print("{}: the first {} of epoch 1{}:", printable(o.out), shown, changes ? ", each left as it is, right as augmented" : "");
  for (int64_t i = 0; i < shown; ++i)
    fmt::print(" {}", printable(d.className(set->label(batch[size_t(i)]))));
  fmt::print("\n");
  return 0;
}

} // namespace rt
