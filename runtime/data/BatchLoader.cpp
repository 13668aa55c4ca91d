// Batches for generated code.
// In: bytes.  Out: (v/255 - mean)/std in the model's element type, through a table of 256 values a channel.
#include "runtime/data/BatchLoader.h"
#include "runtime/data/Parallel.h"
#include "runtime/device/Element.h"
#include <cmath>
#include <cstring>

namespace rt {

static constexpr int levels = 256;

Normalization measureNormalization(const Dataset &set, const Description &d) {
  const size_t C = size_t(d.channels), area = size_t(d.height * d.width);
  // Exact integer sums of shares of the set: the order of adding does not show.
  constexpr int64_t share = 1024;
  const int64_t shares = (set.size() + share - 1) / share;
  std::vector<uint64_t> sums(C), squares(C);
  std::mutex mutex;
  eachInParallel(shares, availableCores(), [&](int64_t s) {
    std::vector<uint64_t> sum(C), square(C);
    for (int64_t i = s * share; i < std::min(set.size(), (s + 1) * share); ++i) {
      const uint8_t *image = set.image(i);
      for (size_t p = 0; p < area; ++p)
        for (size_t c = 0; c < C; ++c) {
          const uint64_t v = image[p * C + c];
          sum[c] += v;
          square[c] += v * v;
        }
    }
    std::lock_guard<std::mutex> hold(mutex);
    for (size_t c = 0; c < C; ++c)
      sums[c] += sum[c], squares[c] += square[c];
  });
  Normalization result;
  const double count = double(set.size()) * double(area);
  for (size_t c = 0; c < C; ++c) {
    const double mean = double(sums[c]) / count, variance = double(squares[c]) / count - mean * mean;
    result.mean.push_back(mean / 255);
    result.std.push_back(variance > 1e-9 ? std::sqrt(variance) / 255 : 1); // images of one colour: nothing to scale
  }
  return result;
}

BatchLoader::BatchLoader(const Description &description, uint32_t elementKind, const Normalization &normalization)
    : description(description), kind(elementKind) {
  const size_t C = size_t(description.channels);
  if (!normalization.mean.empty() && (normalization.mean.size() != C || normalization.std.size() != C))
    fail(Exit::badModel, "normalize has {} means and {} deviations, the network's input has {} channels", normalization.mean.size(),
         normalization.std.size(), C);
  for (size_t c = 0; c < C; ++c)
    for (int v = 0; v < levels; ++v) {
      const double scaled = v / 255.0;
      table.push_back(normalization.mean.empty() ? scaled : (scaled - normalization.mean[c]) / normalization.std[c]);
    }
  table32.assign(table.begin(), table.end());
}

template <class T> static void look(const T *table, const uint8_t *image, T *x, int64_t area, int64_t C) {
  if (C == 1) {
    for (int64_t p = 0; p < area; ++p)
      x[p] = table[image[p]];
    return;
  }
  for (int64_t p = 0; p < area; ++p)
    for (int64_t c = 0; c < C; ++c)
      x[p * C + c] = table[c * levels + image[p * C + c]];
}

void BatchLoader::convert(const uint8_t *image, void *x) const {
  const int64_t area = description.height * description.width;
  if (kind == CNN_F32)
    look(table32.data(), image, static_cast<float *>(x), area, description.channels);
  else
    look(table.data(), image, static_cast<double *>(x), area, description.channels);
}

size_t BatchLoader::sampleBytes() const { return size_t(description.imageElements()) * elementBytes(kind); }

void BatchLoader::load(const Dataset &set, const int64_t *samples, int64_t n, const Augment *augment, uint64_t epoch, Batch &batch) const {
  const size_t image = size_t(description.imageElements());
  std::vector<uint8_t> scratch(augment && !augment->none() ? 2 * image : 0);
  for (int64_t i = 0; i < n; ++i) {
    const uint8_t *bytes = set.image(samples[i]);
    if (!scratch.empty()) {
      std::memcpy(scratch.data(), bytes, image);
      augment->apply(scratch.data(), scratch.data() + image, epoch, uint64_t(samples[i]));
      bytes = scratch.data();
    }
    convert(bytes, batch.x.bytes() + size_t(i) * sampleBytes());
    batch.labels.as<int32_t>()[i] = set.label(samples[i]);
  }
  if (augment && !augment->mixing().none())
    return mix(augment->mixing(), samples, n, epoch, batch);
  std::memcpy(batch.secondLabels.data(), batch.labels.data(), size_t(n) * sizeof(int32_t));
  withElement(kind, [&](auto zero) { std::fill_n(batch.mix.as<decltype(zero)>(), n, decltype(zero)(1)); });
}

void BatchLoader::mix(const Mixing &mixing, const int64_t *samples, int64_t n, uint64_t epoch, Batch &batch) const {
  withElement(kind, [&](auto zero) {
    using T = decltype(zero);
    const int64_t image = description.imageElements();
    const std::vector<T> whole(batch.x.as<T>(), batch.x.as<T>() + n * image); // partners are taken as they were
    for (int64_t i = 0; i < n; ++i) {
      const Blend blend = mixing.blend(epoch, uint64_t(samples[i]), n);
      mixing.apply(blend, &whole[size_t(i * image)], &whole[size_t(blend.partner * image)], batch.x.as<T>() + i * image);
      batch.secondLabels.as<int32_t>()[i] = batch.labels.as<int32_t>()[blend.partner];
      batch.mix.as<T>()[i] = T(blend.share);
    }
  });
}

} // namespace rt
