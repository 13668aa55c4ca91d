// Checks of the runtime's parts that no command shows by itself: pool, layouts, initial values, orders, resizing, augmentation.
// In: nothing.  Out: 0, or the checks that failed.
#include "runtime/Failure.h"
#include "runtime/data/Augment.h"
#include "runtime/data/BatchLoader.h"
#include "runtime/data/Image.h"
#include "runtime/data/Order.h"
#include "runtime/data/Reading.h"
#include "runtime/device/Cpu.h"
#include "runtime/device/ThreadPool.h"
#include "runtime/params/Initialise.h"
#include "runtime/params/Philox.h"
#include "runtime/params/StorageLayout.h"
#include "runtime/params/TensorStore.h"
#include "runtime/train/Evaluate.h"
#include "runtime/train/Metrics.h"
#include <algorithm>
#include <cmath>
#include <numeric>

using namespace rt;

extern "C" void narrow_philox_normals(const uint32_t counter[4], const uint32_t key[2], double *first, double *second);

static int failures = 0;
#define CHECK(condition)                                                                                                                         \
  ((condition) ? (void)0 : (++failures, (void)fmt::print("{}:{}: {}\n", __FILE__, __LINE__, #condition)))

/// Every piece runs exactly once, launch after launch, with more threads than cores and with pauses in which workers fall asleep.
static void pool() {
  for (int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    std::vector<int> count(1000);
    for (int launch = 0; launch < 3000; ++launch) {
      const int64_t n = launch % 37 == 0 ? 1000 : launch % 11;
      pool.parallelFor(n, [&](int64_t i) { ++count[size_t(i)]; }, /*backwards=*/launch % 2);
      CHECK(std::all_of(count.begin(), count.begin() + n, [](int c) { return c == 1; }));
      std::fill(count.begin(), count.end(), 0);
      if (launch % 500 == 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

/// Each thread takes its pieces in the direction that was asked for.
static void directions() {
  ThreadPool alone(1);
  std::vector<int64_t> order;
  auto note = [&](int64_t i) { order.push_back(i); };
  alone.parallelFor(5, note, /*backwards=*/true);
  alone.parallelFor(3, note);
  CHECK(order == std::vector<int64_t>({4, 3, 2, 1, 0, 0, 1, 2}));

  ThreadPool pool(2);
  for (bool backwards : {false, true}) {
    std::vector<int64_t> ofThread[2];
    pool.parallelFor(40, [&](int64_t i) { ofThread[size_t(ThreadPool::current())].push_back(i); }, backwards);
    // The caller's own part is the first half; the other thread may take some of it, from the end that comes last, or all.
    auto first = ofThread[0];
    first.erase(std::remove_if(first.begin(), first.end(), [](int64_t i) { return i >= 20; }), first.end());
    CHECK(first.empty() || first[0] == (backwards ? 19 : 0));
    CHECK(backwards ? std::is_sorted(first.rbegin(), first.rend()) : std::is_sorted(first.begin(), first.end()));
  }
}

/// Denormals are zero in every piece, and what they were for the caller afterwards.
static void denormals() {
  const volatile float small = 1e-30f, factor = 1e-10f;
  auto product = [&] {
    const volatile float p = small * factor;
    return p * 1e30f;
  };
  for (int threads : {1, 3}) {
    ThreadPool pool(threads);
    std::atomic<int> others{0};
    for (int launch = 0; launch < 100; ++launch)
      pool.parallelFor(30, [&](int64_t) { others += product() != 0; });
    CHECK(others == 0);
    CHECK(product() != 0);
  }
}

static TensorInfo tensor(std::vector<int64_t> shape, const char *init, double in, double out, std::vector<double> args = {}) {
  TensorInfo t{"t", TensorKind::weight, shape, 1, {}, {init, in, out, args}, ""};
  for (int64_t extent : shape)
    t.elements *= extent;
  return t;
}

static void layouts() {
  TensorInfo t = tensor({6, 2, 3, 5}, "zeros", 1, 1);
  t.storage = {true, 3};
  std::vector<float> logical(size_t(t.elements)), stored(logical.size()), back(logical.size());
  std::iota(logical.begin(), logical.end(), 0.f);
  toStored(t, 4, logical.data(), stored.data());
  // [O/block][KH][KW][I][block]: element o=4 i=1 h=2 w=3.
  CHECK(stored[size_t((((1 * 3 + 2) * 5 + 3) * 2 + 1) * 3 + 1)] == logical[size_t(((4 * 2 + 1) * 3 + 2) * 5 + 3)]);
  toLogical(t, 4, stored.data(), back.data());
  CHECK(back == logical);
}

/// Mean and variance of n draws stay within 5 standard errors: sigma/sqrt(n), sigma^2 sqrt(2/n) (a uniform's is smaller).
static void distribution(const char *init, double variance, std::vector<double> args = {}) {
  const auto values = initialValues(tensor({200, 500}, init, 50, 150, args), 7, 3);
  const double n = double(values.size()), mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double square = 0;
  for (double v : values)
    square += (v - mean) * (v - mean) / n;
  CHECK(std::abs(mean) < 5 * std::sqrt(variance / n));
  CHECK(std::abs(square - variance) < 5 * variance * std::sqrt(2 / n));
}

static void initialisation() {
  distribution("he_normal", 2.0 / 50);
  distribution("he_uniform", 2.0 / 50);
  distribution("xavier_normal", 2.0 / 200);
  distribution("xavier_uniform", 2.0 / 200);
  distribution("lecun_normal", 1.0 / 50);
  distribution("normal", 0.09, {0.3});
  distribution("uniform", 0.03, {0.3});
  CHECK(initialValues(tensor({3}, "ones", 1, 1), 1, 0) == std::vector<double>(3, 1));
  CHECK(initialValues(tensor({3}, "constant", 1, 1, {0.5}), 1, 0) == std::vector<double>(3, 0.5));
  CHECK(initialValues(tensor({3}, "normal", 1, 1, {1}), 1, 0) != initialValues(tensor({3}, "normal", 1, 1, {1}), 1, 1));
  for (auto shape : {std::vector<int64_t>{4, 9}, {9, 4}, {6, 2, 3, 1}}) {
    const TensorInfo t = tensor(shape, "orthogonal", 1, 1);
    const auto q = initialValues(t, 1, 0);
    const int64_t rows = shape[0], cols = t.elements / rows, n = std::min(rows, cols);
    for (int64_t a = 0; a < n; ++a)
      for (int64_t b = 0; b < n; ++b) {
        double dot = 0;
        for (int64_t k = 0; k < std::max(rows, cols); ++k)
          dot += rows <= cols ? q[a * cols + k] * q[b * cols + k] : q[k * cols + a] * q[k * cols + b];
        CHECK(std::abs(dot - (a == b)) < 1e-12);
      }
  }
}

/// Deviates in vectors are Box and Muller's of the C library to the last digits, in both widths, and any part of the sequence is the same.
static void normals() {
  const Philox philox(7, Draw::parameters, 3);
  std::vector<double> values(100001), part(4097);
  philox.normals(0, int64_t(values.size()), values.data());
  double worst = 0;
  for (uint32_t i = 0; i < values.size() / 2; ++i) {
    double pair[2];
    philox.uniformPair(i, pair);
    const double radius = std::sqrt(-2 * std::log(1 - pair[0])), angle = 2 * M_PI * pair[1];
    worst = std::max({worst, std::abs(values[2 * i] - radius * std::cos(angle)), std::abs(values[2 * i + 1] - radius * std::sin(angle))});
  }
  CHECK(worst < 8e-15); // of numbers up to 5; 2 pi u of the C library's angle is off by as much
  philox.normals(1234, int64_t(part.size()), part.data());
  CHECK(std::equal(part.begin(), part.end(), values.begin() + 2468));
  const uint32_t counter[4] = {5, 1, 2, 3}, key[2] = {4, 5};
  double pairs[2][2][CNN_PHILOX_PAIRS];
  cnn_philox_normals(counter, key, pairs[0][0], pairs[0][1]);
  narrow_philox_normals(counter, key, pairs[1][0], pairs[1][1]);
  CHECK(std::equal(&pairs[0][0][0], &pairs[1][0][0], &pairs[1][0][0]));
}

/// Made in parts by any number of threads, and stored in blocks, the values are those of initialValues.
static void initialisedStore() {
  std::vector<TensorInfo> tensors = {tensor({64, 32, 3, 3}, "he_normal", 288, 1), tensor({10001}, "uniform", 1, 1, {1}), tensor({9, 4}, "orthogonal", 1, 1)};
  tensors[0].storage = {true, 32};
  for (int threads : {1, 3}) {
    ThreadPool pool(threads);
    TensorStore store(tensors, CNN_F64);
    const uint64_t before = store.version();
    store.initialise(5, pool);
    CHECK(store.version() != before);
    for (size_t i = 0; i < tensors.size(); ++i) {
      std::vector<double> values(size_t(tensors[i].elements));
      store.readLogical(i, values.data());
      CHECK(values == initialValues(tensors[i], 5, i));
    }
  }
}

static void orders() {
  auto order = epochOrder(1000, 1, 0);
  CHECK(order != epochOrder(1000, 1, 1) && order != epochOrder(1000, 2, 0) && order == epochOrder(1000, 1, 0));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1000; ++i)
    CHECK(order[size_t(i)] == i);
  std::vector<int32_t> labels(100);
  for (int i = 0; i < 100; ++i)
    labels[size_t(i)] = i < 60 ? 0 : i < 90 ? 1 : 2;
  const Split split = stratifiedSplit(MemoryDataset(1, std::vector<uint8_t>(100), labels), 0.1, 3, 1);
  CHECK(split.held.size() == 10 && split.kept.size() == 90);
  CHECK(std::count_if(split.held.begin(), split.held.end(), [&](int64_t i) { return labels[size_t(i)] == 0; }) == 6);
  CHECK(std::count_if(split.held.begin(), split.held.end(), [&](int64_t i) { return labels[size_t(i)] == 2; }) == 1);
}

static void pictures() {
  Image image{2, 2, 1, {0, 100, 100, 200}};
  CHECK(resized(image, 1, 1).pixels[0] == 100);
  const Image wide = resized(Image{1, 2, 1, {0, 200}}, 1, 4); // PIL: Image.resize((4, 1), BILINEAR)
  CHECK((wide.pixels == std::vector<uint8_t>{0, 50, 150, 200}));
  CHECK((withChannels(Image{1, 1, 3, {255, 0, 0}}, 1).pixels == std::vector<uint8_t>{76})); // 0.299 * 255
  CHECK((withChannels(Image{1, 1, 1, {9}}, 3).pixels == std::vector<uint8_t>{9, 9, 9}));
}

static void augmentation() {
  Description d;
  d.channels = 1, d.height = 4, d.width = 4;
  d.data.emplace();
  d.data->augment = {{"hflip", {1}}};
  std::vector<uint8_t> image(16), scratch(16);
  std::iota(image.begin(), image.end(), uint8_t(1));
  auto changed = image;
  Augment(d, 1).apply(changed.data(), scratch.data(), 0, 0);
  CHECK(changed[0] == 4 && changed[3] == 1 && changed[12] == 16);
  d.data->augment = {{"shift", {1}}, {"rotate", {0}}};
  const Augment shift(d, 1);
  int moved = 0;
  for (uint64_t sample = 0; sample < 90; ++sample) {
    changed = image;
    shift.apply(changed.data(), scratch.data(), 0, sample);
    CHECK(changed[5] >= 1 && std::abs(changed[5] - image[5]) <= 5);
    moved += changed != image;
  }
  CHECK(moved > 60 && moved < 90); // one of nine stays
  // The same sample twice is the same, whatever the step; every step changes some sample of a coloured image and keeps its bounds.
  Description colour;
  colour.channels = 3, colour.height = 9, colour.width = 7;
  colour.data.emplace();
  std::vector<uint8_t> first(9 * 7 * 3), memory(first.size());
  for (size_t i = 0; i < first.size(); ++i)
    first[i] = uint8_t(i * 37 + 11);
  for (const Augmentation &step : std::vector<Augmentation>{{"vflip", {}}, {"crop", {2}}, {"scale", {0.3}}, {"shear", {20}}, {"brightness", {0.5}}, {"contrast", {0.5}},
                                                            {"saturation", {0.5}}, {"hue", {0.3}}, {"noise", {0.1}}, {"cutout", {4, 2}}, {"erase", {1}}, {"randaugment", {3, 15}}}) {
    colour.data->augment = {step};
    const Augment augment(colour, 3);
    int different = 0;
    for (uint64_t sample = 0; sample < 40; ++sample) {
      auto once = first, again = first;
      augment.apply(once.data(), memory.data(), 2, sample);
      augment.apply(again.data(), memory.data(), 2, sample);
      CHECK(once == again);
      different += once != first;
    }
    if (different < 10)
      fmt::print("{} changed {} of 40\n", step.name, different);
    CHECK(different >= 10);
  }
  // Without strength nothing changes.
  for (const Augmentation &step : std::vector<Augmentation>{{"vflip", {0}}, {"scale", {0}}, {"shear", {0}}, {"brightness", {0}}, {"contrast", {0}}, {"saturation", {0}}, {"hue", {0}},
                                                            {"noise", {0}}, {"erase", {0}}, {"randaugment", {0}}}) {
    colour.data->augment = {step};
    auto same = first;
    Augment(colour, 3).apply(same.data(), memory.data(), 0, 5);
    if (same != first)
      fmt::print("{} changes without strength\n", step.name);
    CHECK(same == first);
  }
  d.data->augment = {{"blur", {}}};
  try {
    Augment(d, 1);
    CHECK(!"an unknown augmentation is refused");
  } catch (const Failure &failure) {
    CHECK(failure.status == Exit::badModel);
  }
}

/// Two pictures become one, whoever makes the batch: shares of Beta(alpha, alpha), labels by the share of their pixels.
static void mixing() {
  Description d;
  d.channels = 2, d.height = 8, d.width = 6;
  d.data.emplace();
  const int64_t n = 40;
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < n; ++i) {
    pixels.insert(pixels.end(), size_t(d.imageElements()), uint8_t(i)); // a picture of one value: its number
    labels.push_back(int32_t(i));
  }
  const MemoryDataset set(d.imageElements(), pixels, labels);
  const BatchLoader loader(d, CNN_F64, {});
  std::vector<int64_t> samples(size_t(n), 0), cuts;
  std::iota(samples.begin(), samples.end(), 0);
  for (const std::vector<Augmentation> &steps : {std::vector<Augmentation>{{"mixup", {0.4}}}, {{"cutmix", {}}}, {{"mixup", {}}, {"cutmix", {}}}, {{"cutmix", {1, 0.3}}}}) {
    d.data->augment = steps;
    const Augment augment(d, 7);
    Batch batch(n, loader.sampleBytes(), CNN_F64), again(n, loader.sampleBytes(), CNN_F64);
    loader.load(set, samples.data(), n, &augment, 3, batch);
    loader.load(set, samples.data(), n, &augment, 3, again);
    CHECK(std::memcmp(batch.x.data(), again.x.data(), size_t(n) * loader.sampleBytes()) == 0);
    int cut = 0, whole = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double *x = batch.x.as<double>() + i * d.imageElements(), share = batch.mix.as<double>()[i];
      const int32_t a = batch.labels.as<int32_t>()[i], b = batch.secondLabels.as<int32_t>()[i];
      CHECK(a == i && b >= 0 && b < n && share >= 0 && share <= 1);
      double mean = 0, deviation = 0;
      for (int64_t k = 0; k < d.imageElements(); ++k)
        mean += x[k] * 255 / double(d.imageElements()), deviation += std::abs(x[k] - x[0]);
      CHECK(std::abs(mean - (share * a + (1 - share) * b)) < 1e-9); // the labels' shares are the pixels'
      cut += deviation > 1e-9;
      whole += share == 1;
    }
    cuts.push_back(cut);
    CHECK((whole > 15) == (steps[0].args.size() == 2));
  }
  CHECK(cuts[0] == 0 && cuts[1] > 25 && cuts[2] > 5 && cuts[2] < 30 && cuts[3] < 20);
  for (double alpha : {0.2, 1.0, 4.0}) { // mean 1/2, variance 1/(4 (2 alpha + 1))
    d.data->augment = {{"mixup", {alpha}}};
    const Mixing mixing(d, 1);
    constexpr int64_t draws = 20000;
    double sum = 0, square = 0, partners = 0;
    for (int64_t i = 0; i < draws; ++i) {
      const Blend b = mixing.blend(1, uint64_t(i), 100);
      sum += b.share - 0.5, square += (b.share - 0.5) * (b.share - 0.5), partners += double(b.partner);
    }
    const double variance = 1 / (4 * (2 * alpha + 1));
    CHECK(std::abs(sum / draws) < 4 * std::sqrt(variance / draws)); // four standard errors
    CHECK(std::abs(square / draws / variance - 1) < 0.05);
    CHECK(std::abs(partners / draws - 49.5) < 1);
  }
  for (const Augmentation &bad : std::vector<Augmentation>{{"mixup", {0}}, {"cutmix", {1, 2}}})
    try {
      d.data->augment = {bad};
      Mixing(d, 1);
      CHECK(!"numbers without sense are refused");
    } catch (const Failure &failure) {
      CHECK(failure.status == Exit::badModel);
    }
}

static void metrics() {
  const double z[] = {1, 2, 3};
  // torch.nn.functional.cross_entropy(tensor([[1.,2.,3.]]), tensor([2]), label_smoothing=0.1) in f64
  CHECK(std::abs(Loss({}, 3).of(z, 2).loss - 0.40760596444438) < 1e-13);
  CHECK(std::abs(Loss({"cross_entropy", 0.1, {}, {}}, 3).of(z, 2).loss - 0.50760596444438) < 1e-13);
  const double huge[] = {1e300, 0, -1e300};
  CHECK(Loss({}, 3).of(huge, 0).loss == 0);
  try {
    Loss({"hings", 0, {}, {}}, 3);
    CHECK(!"an unknown loss is refused");
  } catch (const Failure &failure) {
    CHECK(failure.status == Exit::badModel);
  }
  CHECK(missingCpuFeatures("sse2,+sse").empty() && missingCpuFeatures("xop").size() <= 1);
  CHECK(missingCpuFeatures("sse2,avx9000") == std::vector<std::string>{"avx9000"}); // what cannot be checked is missing
  CHECK(printable("a\x1b[31mb\n") == "a\\x1b[31mb\\x0a");
}

/// A part of a set that stands class by class sees all of it.
static void spreading() {
  CHECK((spread(10, 5) == std::vector<int64_t>{0, 2, 4, 6, 8}) && (spread(7, 3) == std::vector<int64_t>{0, 2, 4}));
  CHECK((spread(3, 3) == std::vector<int64_t>{0, 1, 2}) && spread(3, 9) == spread(3, 3) && spread(0, 4).empty());
}

/// Long reading is told of: by one line, or on a terminal by a count that is wiped away at the end; quick reading is not.
static void reading() {
  auto said = [](bool terminal, double patience) {
    char *text = nullptr;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    {
      Reading reading(1000, to, terminal, patience);
      for (int i = 0; i < 640; ++i)
        reading.step();
    }
    std::fclose(to);
    const std::string all(text, size);
    std::free(text);
    return all;
  };
  CHECK(said(false, 60).empty() && said(true, 60).empty());
  const std::string line = said(false, 0), bar = said(true, 0);
  CHECK(line.rfind("note: reading 1000 pictures takes about ", 0) == 0 && line.find('\n') == line.size() - 1);
  CHECK(bar.rfind("\rreading pictures: 32 of 1000\x1b[K", 0) == 0 && bar.substr(bar.size() - 4) == "\r\x1b[K");
}

int main() {
  pool();
  directions();
  denormals();
  layouts();
  normals();
  initialisation();
  initialisedStore();
  orders();
  pictures();
  augmentation();
  mixing();
  metrics();
  spreading();
  reading();
  fmt::print("{} failures\n", failures);
  return failures != 0;
}
