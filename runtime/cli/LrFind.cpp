// lr-find: a range test of the learning rate (Smith 2017): it rises from step to step until the loss runs away.
// In: first and last rate, steps.  Out: a suggestion, and the curve as SVG or JSON; no checkpoint is touched.
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/data/Order.h"
#include "runtime/params/AtomicFile.h"
#include "runtime/train/Freeze.h"
#include "runtime/train/Interrupt.h"
#include "runtime/train/Pretrained.h"
#include "runtime/train/Program.h"
#include <cmath>
#include <nlohmann/json.hpp>

namespace rt {

namespace {
struct RangeTest {
  std::vector<double> rates, losses; ///< losses smoothed
};
} // namespace

static RangeTest measure(Program &program, const Description &d, const Options &o, uint64_t seed, Freeze *frozen) {
  constexpr double beta = 0.9, runaway = 4; // of the smoothing; the test ends at so many times the least loss
  DataParts parts(d, o.data, seed, readOptions(o));
  const auto train = parts.get("train");
  const Normalization normalization = chooseNormalization(d, [&] { return train; });
  BatchLoader loader(d, program.elementKind(), normalization);
  const Augment augment(d, seed);
  const int64_t N = program.batch(), batches = train->size() / N;
  if (batches == 0)
    fail(Exit::badData, "there are {} training samples, fewer than one batch of {}", train->size(), N);
  RangeTest test;
  double average = 0, least = HUGE_VAL;
  int64_t step = 0;
  for (uint64_t epoch = 0; step < o.steps; ++epoch) {
    const auto order = epochOrder(train->size(), seed, epoch);
    const int64_t here = std::min(batches, o.steps - step);
    Prefetch prefetch(loader, *train, {{order.begin(), order.begin() + here * N}, N, program.capacity(), &augment, epoch, prefetchWorkers(*train, program.device.pool.threads())});
    while (program.take(prefetch)) {
      if (pendingSignal())
        return test;
      const double rate = o.from * std::pow(o.to / o.from, double(step) / double(std::max<int64_t>(1, o.steps - 1)));
      const StepResult result = program.trainStep(rate, uint64_t(++step), seed);
      if (frozen)
        frozen->putBack();
      average = beta * average + (1 - beta) * result.loss;
      const double smooth = average / (1 - std::pow(beta, double(step)));
      if (!result.finite || smooth > runaway * least)
        return test;
      least = std::min(least, smooth);
      test.rates.push_back(rate);
      test.losses.push_back(smooth);
    }
  }
  return test;
}

/// Where the loss falls steepest over the logarithm of the rate; the first and last points are noise.
static double steepest(const RangeTest &t) {
  double best = 0, rate = 0;
  constexpr size_t reach = 2;
  for (size_t i = t.rates.size() / 10 + reach; i + reach < t.rates.size(); ++i) {
    const double slope = (t.losses[i + reach] - t.losses[i - reach]) / std::log(t.rates[i + reach] / t.rates[i - reach]);
    if (slope < best)
      best = slope, rate = t.rates[i];
  }
  return rate;
}

static std::string plot(const RangeTest &t, double suggestion, const std::string &name) {
  constexpr double width = 720, height = 420, left = 70, right = 20, top = 40, bottom = 60;
  const double low = std::log10(t.rates.front()), high = std::max(std::log10(t.rates.back()), low + 1e-9);
  const double least = *std::min_element(t.losses.begin(), t.losses.end());
  const double most = std::max(std::min(*std::max_element(t.losses.begin(), t.losses.end()), 2 * t.losses.front()), least + 1e-9);
  auto x = [&](double rate) { return left + (std::log10(rate) - low) / (high - low) * (width - left - right); };
  auto y = [&](double loss) { return top + (most - std::min(loss, most)) / (most - least) * (height - top - bottom); };
  std::string svg = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" font-family=\"sans-serif\" font-size=\"13\">\n"
                                "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{2}\" y=\"24\" font-size=\"16\">{3}: loss over learning rate</text>\n",
                                width, height, left, name);
  for (int decade = int(std::ceil(low)); decade <= int(std::floor(high)); ++decade)
    svg += fmt::format("<path d=\"M{0:.1f} {1}V{2}\" stroke=\"#ddd\"/><text x=\"{0:.1f}\" y=\"{3}\" text-anchor=\"middle\">1e{4}</text>\n", x(std::pow(10, decade)), top,
                       height - bottom, height - bottom + 20, decade);
  constexpr int levels = 5;
  for (int i = 0; i <= levels; ++i) {
    const double loss = least + (most - least) * i / levels;
    svg += fmt::format("<path d=\"M{0} {1:.1f}H{2}\" stroke=\"#ddd\"/><text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.3g}</text>\n", left, y(loss), width - right, left - 8,
                       y(loss) + 4, loss);
  }
  svg += "<path fill=\"none\" stroke=\"#1f77b4\" stroke-width=\"2\" d=\"";
  for (size_t i = 0; i < t.rates.size(); ++i)
    svg += fmt::format("{}{:.1f} {:.1f}", i ? "L" : "M", x(t.rates[i]), y(t.losses[i]));
  svg += "\"/>\n";
  if (suggestion > 0)
    svg += fmt::format("<path d=\"M{0:.1f} {1}V{2}\" stroke=\"#d62728\" stroke-dasharray=\"5 4\"/><text x=\"{3:.1f}\" y=\"{4}\" fill=\"#d62728\">steepest at {5:.2g}</text>\n",
                       x(suggestion), top, height - bottom, x(suggestion) + 6, top + 14, suggestion);
  return svg + fmt::format("<text x=\"{:.0f}\" y=\"{}\" text-anchor=\"middle\">learning rate</text>\n</svg>\n", (left + width - right) / 2, height - 14);
}

int runLrFind(const cnn_model &model, const Options &o) {
  const Description d = parseDescription(model);
  if (!(o.from > 0 && o.to > o.from))
    fail(Exit::usage, "the rates {} to {} do not rise", o.from, o.to);
  catchSignals();
  Program program(model, d, o.threads);
  const uint64_t seed = o.seed.value_or(d.train.seed);
  program.tensors.initialise(seed, program.device.pool);
  for (const std::string &sentence : loadPretrained(d.train.load, program.tensors))
    fmt::print(stderr, "note: {}\n", sentence);
  std::unique_ptr<Freeze> frozen;
  if (!d.train.freeze.empty()) {
    frozen = std::make_unique<Freeze>(program.tensors, d.train.freeze);
    fmt::print(stderr, "note: {}\n", frozen->report());
  }
  const RangeTest test = measure(program, d, o, seed, frozen.get());
  if (pendingSignal())
    return 128 + pendingSignal();
  if (test.rates.empty())
    fail(Exit::runFailed, "the loss was not finite at the first rate, {}", o.from);
  const double suggestion = steepest(test);
  const std::string file = o.out.empty() ? "lr-find.svg" : o.out;
  const std::string svg = plot(test, suggestion, d.name);
  AtomicFile out(file);
  out.write(svg.data(), svg.size());
  out.commit();
  if (o.json)
    fmt::print("{}\n", nlohmann::ordered_json{{"lr", test.rates}, {"loss", test.losses}, {"suggestion", suggestion}, {"plot", file}}.dump());
  else if (suggestion > 0)
    fmt::print("the loss falls steepest at a learning rate of {:.2g} (the definition says {:.2g}); the curve of {} steps is in {}\n", suggestion, d.train.lr, test.rates.size(), printable(file));
  else
    fmt::print("the loss falls at none of the {} rates; the curve is in {}\n", test.rates.size(), printable(file));
  return 0;
}

} // namespace rt
