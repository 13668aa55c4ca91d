// bench: the time of a step on random data in memory, measured as PyTorch's baseline is.
// In: what, batch, threads, seconds.  Out: one line; with --json the keys that the baseline prints.
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/cli/RandomBatch.h"
#include "runtime/device/Element.h"
#include "runtime/train/Program.h"
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>

namespace rt {

// As in the baseline: three steps to warm up, at least 5 measured, at most 2000.
static constexpr int warmUp = 3;
static constexpr size_t fewest = 5, most = 2000;

static double secondsOf(const std::function<void()> &step) {
  const auto start = std::chrono::steady_clock::now();
  step();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// VmHWM, in KiB: getrusage begins with the size of the program that called this one.
static long peakKib() {
  long kib = 0;
  if (std::FILE *status = std::fopen("/proc/self/status", "r")) {
    for (char line[128]; std::fgets(line, sizeof line, status) && std::sscanf(line, "VmHWM: %ld", &kib) != 1;)
      ;
    std::fclose(status);
  }
  return kib;
}

static double rounded(double v, double unit) { return std::round(v / unit) * unit; }

int runBench(const cnn_model &model, const Options &o) {
  const Description d = parseDescription(model);
  const bool train = o.what == "train";
  if (train && !model.train_step.run)
    fail(Exit::usage, "this program was compiled with --inference: bench --what infer");
  const int64_t N = o.batch ? o.batch : d.batch;
  if (train && N != model.train_step.batch)
    fail(Exit::usage, "the batch of training is compiled in: {}; --batch says {} (compile with cnnc --batch {})", model.train_step.batch, N, N);
  Program program(model, d, o.threads);
  const uint64_t seed = o.seed.value_or(d.train.seed);
  program.tensors.initialise(seed, program.device.pool);
  const uint32_t kind = program.elementKind();
  AlignedBuffer x, logits; // of inference: its batch may be any
  if (train) {
    fillTrainingBatch(program, seed);
  } else {
    x = AlignedBuffer(size_t(N * d.imageElements()) * elementBytes(kind)), logits = AlignedBuffer(size_t(N * d.classes) * elementBytes(kind));
    fillNormal(x.data(), kind, N * d.imageElements(), seed);
  }
  uint64_t step = 0;
  const double lr = d.train.lr * program.schedule(0, double(d.train.epochs));
  const std::function<void()> run = [&] {
    train ? (void)program.trainStep(lr, ++step, seed) : program.infer(x.data(), N, logits.data());
  };
  const double first = secondsOf(run);
  if (o.once) {
    fmt::print("first step {:.3f} s\n", first);
    return 0;
  }
  for (int i = 0; i < warmUp; ++i)
    run();
  std::vector<double> times;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(o.seconds);
  while (times.size() < fewest || (std::chrono::steady_clock::now() < end && times.size() < most))
    times.push_back(secondsOf(run));
  std::sort(times.begin(), times.end());
  const size_t middle = times.size() / 2;
  const double median = times.size() % 2 ? times[middle] : (times[middle - 1] + times[middle]) / 2;
  const double ms = median * 1e3;
  if (o.json)
    fmt::print("{}\n", nlohmann::ordered_json{{"what", o.what}, {"net", d.name}, {"dtype", d.precision}, {"device", d.target}, {"threads", o.threads},
                                              {"batch", N}, {"ms", rounded(ms, 1e-3)}, {"ms_min", rounded(times[0] * 1e3, 1e-3)},
                                              {"img_s", rounded(double(N) / median, 0.1)}, {"first_step_s", rounded(first, 1e-4)},
                                              {"steps", times.size()}, {"peak_mib", peakKib() / 1024}}
                           .dump());
  else
    fmt::print("{} {} {} batch {} on {} threads: {:.3f} ms a step (least {:.3f}), {:.0f} img/s, first step {:.3f} s, {} steps, peak {} MiB\n", d.name,
               o.what, d.precision, N, o.threads, ms, times[0] * 1e3, double(N) / median, first, times.size(), peakKib() / 1024);
  return 0;
}

} // namespace rt
