// profile: where a step's time goes, kernel by kernel, against what this machine can do.
// In: what, batch, threads, seconds.  Out: a table of layers and one of kernels, or JSON; a Chrome trace of the last step.
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/cli/RandomBatch.h"
#include "runtime/device/Element.h"
#include "runtime/device/LaunchProfile.h"
#include "runtime/device/Peak.h"
#include "runtime/params/AtomicFile.h"
#include <functional>
#include <nlohmann/json.hpp>

namespace rt {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

namespace {
constexpr int warmUp = 3;
constexpr int64_t fewest = 5;

/// Work and time of one or more kernels, a step.
struct Cost {
  double seconds = 0, flops = 0, bytes = 0;
  double limit = 0;       ///< the least time that the machine allows: sum over kernels of max(flops / peak, bytes / copy)
  double memoryBound = 0; ///< of the limit, what bytes account for
  int64_t launches = 0;
  void add(const Cost &c) {
    seconds += c.seconds, flops += c.flops, bytes += c.bytes, limit += c.limit, memoryBound += c.memoryBound, launches += c.launches;
  }
};

struct Kernel {
  std::string layer, direction, operation;
  int64_t pieces;
  double least;
  Cost cost;
};

struct Layer {
  std::string name;
  std::map<std::string, Cost> directions;
  Cost total;
};

struct Measured {
  std::vector<Kernel> kernels;
  std::vector<Layer> layers; ///< in the order of their first launch
  std::map<std::string, Cost> directions;
  Cost total;
  double step = 0, unobserved = 0; ///< mean seconds of a step: with the profile's clocks, and without
  int64_t steps = 0, batch = 0;
};
} // namespace

static double perSecond(double amount, double seconds) { return seconds > 0 ? amount / seconds : 0; }

static Measured summarise(const LaunchProfile &profile, const Peak &peak, double flops) {
  Measured m;
  m.steps = profile.steps;
  std::map<std::string, size_t> index;
  for (const LaunchProfile::Row &row : profile.rows()) {
    const std::string what = row.kernel->what ? row.kernel->what : "", layer = row.kernel->layer ? row.kernel->layer : "";
    const size_t colon = what.find(':');
    Kernel k{layer, what.substr(0, colon), colon == std::string::npos ? "" : what.substr(colon + 1), row.kernel->pieces, row.least, {}};
    const double compute = double(row.kernel->flops) / flops, memory = double(row.kernel->bytes) / peak.memoryBytes;
    const int64_t runs = row.count / profile.steps; // of a step: inference takes several for more images than it is compiled for
    const double times = double(runs);
    k.cost = {row.seconds / double(profile.steps), times * double(row.kernel->flops), times * double(row.kernel->bytes), times * std::max(compute, memory),
              memory > compute ? times * memory : 0, runs};
    auto [at, isNew] = index.try_emplace(layer, m.layers.size());
    if (isNew)
      m.layers.push_back({layer.empty() ? "(none)" : layer, {}, {}});
    m.layers[at->second].directions[k.direction].add(k.cost);
    m.layers[at->second].total.add(k.cost);
    m.directions[k.direction].add(k.cost);
    m.total.add(k.cost);
    m.kernels.push_back(k);
  }
  return m;
}

static Json toJson(const Cost &c, double peakFlops, const Peak &peak) {
  return {{"ms", c.seconds * 1e3}, {"launches", c.launches}, {"gflop", c.flops * 1e-9}, {"mib", c.bytes / (1 << 20)},
          {"gflop_s", perSecond(c.flops, c.seconds) * 1e-9}, {"share_of_peak", perSecond(c.flops, c.seconds) / peakFlops},
          {"gb_s", perSecond(c.bytes, c.seconds) * 1e-9}, {"share_of_copy", perSecond(c.bytes, c.seconds) / peak.memoryBytes},
          {"limit_ms", c.limit * 1e3}};
}

static void printJson(const Measured &m, const Peak &peak, const Description &d, const Options &o, double flops) {
  Json kernels = Json::array(), layers = Json::array(), directions = Json::object();
  for (const Kernel &k : m.kernels) {
    Json entry{{"layer", k.layer}, {"direction", k.direction}, {"operation", k.operation}, {"pieces", k.pieces}, {"ms_min", k.least * 1e3}};
    entry.update(toJson(k.cost, flops, peak));
    kernels.push_back(entry);
  }
  for (const Layer &l : m.layers) {
    Json entry{{"layer", l.name}};
    for (auto &[direction, cost] : l.directions)
      entry[direction] = toJson(cost, flops, peak);
    entry["total"] = toJson(l.total, flops, peak);
    layers.push_back(entry);
  }
  for (auto &[direction, cost] : m.directions)
    directions[direction] = toJson(cost, flops, peak);
  const Json object{{"what", o.what}, {"net", d.name}, {"dtype", d.precision}, {"threads", o.threads}, {"batch", m.batch}, {"steps", m.steps},
                    {"step_ms", m.step * 1e3}, {"step_ms_unobserved", m.unobserved * 1e3}, {"kernels_ms", m.total.seconds * 1e3},
                    {"not_in_kernels_ms", (m.step - m.total.seconds) * 1e3},
                    {"peak", {{"vectors", peak.vectors}, {"f32_gflop_s", peak.flops32 * 1e-9}, {"f64_gflop_s", peak.flops64 * 1e-9}, {"bf16_gflop_s", peak.flops16 * 1e-9},
                              {"copy_memory_gb_s", peak.memoryBytes * 1e-9}, {"copy_last_cache_gb_s", peak.lastCacheBytes * 1e-9}, {"copy_cache_gb_s", peak.cacheBytes * 1e-9},
                              {"empty_launch_us", peak.launchSeconds * 1e6}}},
                    {"total", toJson(m.total, flops, peak)}, {"directions", directions}, {"layers", layers}, {"kernels", kernels}};
  fmt::print("{}\n", object.dump(-1, ' ', false, Json::error_handler_t::replace));
}

/// The columns that every table ends with.
static std::string rates(const Cost &c, const Measured &m, double flops, const Peak &peak) {
  const double rate = perSecond(c.flops, c.seconds), bytes = perSecond(c.bytes, c.seconds);
  std::string text = fmt::format("{:>9.3f} {:>5.1f}%", c.seconds * 1e3, 100 * c.seconds / m.step);
  text += c.flops > 0 ? fmt::format(" {:>8.2f} {:>6.1f}%", rate * 1e-9, 100 * rate / flops) : fmt::format(" {:>8} {:>7}", "-", "-");
  text += c.bytes > 0 ? fmt::format(" {:>7.2f} {:>6.1f}%", bytes * 1e-9, 100 * bytes / peak.memoryBytes) : fmt::format(" {:>7} {:>7}", "-", "-");
  return text + (c.limit > 0 ? fmt::format("  {:>5.2f}x {}", c.seconds / c.limit, c.memoryBound * 2 > c.limit ? "memory" : "FMA") : "");
}
static constexpr const char *rateHeads = "       ms   step  GFLOP/s  of FMA    GB/s of copy   over its limit";

static void printLayers(const Measured &m, double flops, const Peak &peak) {
  size_t width = 14;
  for (const Layer &l : m.layers)
    width = std::max(width, printable(l.name).size());
  auto column = [](const Layer &l, const char *direction) {
    auto at = l.directions.find(direction);
    return at == l.directions.end() ? std::string("        -") : fmt::format("{:>9.3f}", at->second.seconds * 1e3);
  };
  fmt::print("{:<{}}   forward  backward    update {}\n", "layer, ms", width, rateHeads);
  for (const Layer &l : m.layers)
    fmt::print("{:<{}} {} {} {} {}\n", printable(l.name), width, column(l, "forward"), column(l, "backward"), column(l, "update"),
               rates(l.total, m, flops, peak));
  const Layer all{"in kernels", m.directions, m.total};
  fmt::print("{:<{}} {} {} {} {}\n", all.name, width, column(all, "forward"), column(all, "backward"), column(all, "update"),
             rates(m.total, m, flops, peak));
  const double rest = m.step - m.total.seconds;
  fmt::print("{:<{}} {:>39.3f} {:>5.1f}%  between {} launches, {:.2f} us each\n", "not in kernels", width, rest * 1e3, 100 * rest / m.step,
             m.total.launches, rest / double(std::max<int64_t>(1, m.total.launches)) * 1e6);
  fmt::print("{:<{}} {:>39.3f} 100.0%\n", "step", width, m.step * 1e3);
}

static void printKernels(const Measured &m, double flops, const Peak &peak, size_t shown) {
  std::vector<const Kernel *> order;
  for (const Kernel &k : m.kernels)
    order.push_back(&k);
  std::stable_sort(order.begin(), order.end(), [](const Kernel *a, const Kernel *b) { return a->cost.seconds > b->cost.seconds; });
  const size_t all = order.size();
  order.resize(std::min(all, shown));
  size_t width = 6;
  auto nameOf = [](const Kernel &k) { return printable(k.layer + " " + k.direction + (k.operation.empty() ? "" : ":" + k.operation)); };
  for (const Kernel *k : order)
    width = std::max(width, nameOf(*k).size());
  fmt::print("\n{:<{}}  pieces   ms min {}\n", order.size() < all ? fmt::format("kernel (the {} longest of {})", order.size(), all) : "kernel",
             std::max<size_t>(width, 30), rateHeads);
  for (const Kernel *k : order)
    fmt::print("{:<{}} {:>7} {:>8.3f} {}\n", nameOf(*k), std::max<size_t>(width, 30), k->pieces, k->least * 1e3, rates(k->cost, m, flops, peak));
}

static void printText(const Measured &m, const Peak &peak, const Description &d, const Options &o, double flops) {
  const std::string threads = fmt::format("{} thread{}", o.threads, o.threads == 1 ? "" : "s");
  fmt::print("{} {} {} batch {} on {}: {:.3f} ms a step ({:.3f} without the profile's clocks), {:.0f} img/s, mean of {} steps\n", d.name, o.what,
             d.precision, m.batch, threads, m.step * 1e3, m.unobserved * 1e3, double(m.batch) / m.step, m.steps);
  fmt::print("measured here, {}, {}: FMA {:.1f} GFLOP/s f32, {:.1f} f64, products of pairs {:.1f} bf16; copy {:.1f} GB/s from memory, {:.1f} of 8 MiB, {:.1f} within caches; "
             "an empty launch {:.2f} us\n\n", threads, peak.vectors, peak.flops32 * 1e-9, peak.flops64 * 1e-9, peak.flops16 * 1e-9, peak.memoryBytes * 1e-9,
             peak.lastCacheBytes * 1e-9, peak.cacheBytes * 1e-9, peak.launchSeconds * 1e6);
  printLayers(m, flops, peak);
  printKernels(m, flops, peak, o.kernels);
  fmt::print("\na kernel's limit is the larger of flops / FMA and its least bytes / copy from memory; what stays in caches can be faster\n");
}

/// Events of the last step, as chrome://tracing and Perfetto read them; times in microseconds.
static void writeTrace(const std::string &path, const LaunchProfile &profile, const Description &d) {
  Json events = Json::array();
  events.push_back({{"name", "process_name"}, {"ph", "M"}, {"pid", 1}, {"args", {{"name", d.name}}}});
  for (const LaunchProfile::Row &row : profile.rows()) {
    const std::string what = row.kernel->what ? row.kernel->what : "", layer = row.kernel->layer ? row.kernel->layer : "";
    events.push_back({{"name", layer + " " + what}, {"cat", what.substr(0, what.find(':'))}, {"ph", "X"}, {"ts", row.begin * 1e6},
                      {"dur", row.last * 1e6}, {"pid", 1}, {"tid", 1},
                      {"args", {{"pieces", row.kernel->pieces}, {"gflop_s", perSecond(double(row.kernel->flops), row.last) * 1e-9},
                                {"gb_s", perSecond(double(row.kernel->bytes), row.last) * 1e-9}, {"mean_us", row.seconds / double(row.count) * 1e6}}}});
  }
  const std::string text = Json{{"displayTimeUnit", "ms"}, {"traceEvents", events}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  AtomicFile file(path);
  file.write(text.data(), text.size());
  file.commit();
}

int runProfile(const cnn_model &model, const Options &o) {
  const Description d = parseDescription(model);
  const bool train = o.what == "train";
  const int64_t N = o.batch ? o.batch : train ? model.train_step.batch : model.infer.batch;
  if (train && N != model.train_step.batch)
    fail(Exit::usage, "the batch of training is compiled in: {}; --batch says {} (compile with cnnc --batch {})", model.train_step.batch, N, N);
  Program program(model, d, o.threads);
  const uint64_t seed = o.seed.value_or(d.train.seed);
  program.tensors.initialise(seed, program.device.pool);
  AlignedBuffer x(size_t(N * d.imageElements()) * elementBytes(model.element_kind)), logits(size_t(N * d.classes) * elementBytes(model.element_kind));
  train ? fillTrainingBatch(program, seed) : fillNormal(x.data(), model.element_kind, N * d.imageElements(), seed);
  uint64_t step = 0;
  const double lr = d.train.lr * program.schedule(0, double(d.train.epochs));
  const std::function<void()> run = [&] { train ? (void)program.trainStep(lr, ++step, seed) : program.infer(x.data(), N, logits.data()); };
  for (int i = 0; i < warmUp; ++i)
    run();
  auto peakNow = [&] { return measurePeak(program.device.pool, model.cpu_features ? model.cpu_features : ""); };
  const Peak before = peakNow();
  LaunchProfile profile;
  // Steps with and without clocks take turns, so that both see the same machine.
  double observed = 0, bare = 0;
  auto secondsOf = [&](LaunchObserver *observer) {
    program.device.observer = observer;
    const auto start = Clock::now();
    profile.steps += observer != nullptr;
    profile.beginStep();
    run();
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const auto end = Clock::now() + std::chrono::duration<double>(o.seconds);
  while (profile.steps < fewest || Clock::now() < end) {
    observed += secondsOf(&profile);
    bare += secondsOf(nullptr);
  }
  // What other programs take away for a while does not come between kernels and what they are measured by.
  const Peak peak = before.bestOf(peakNow());
  const double flops = peak.flopsOf(d.precision);
  Measured m = summarise(profile, peak, flops);
  m.batch = N;
  m.step = observed / double(profile.steps);
  m.unobserved = bare / double(profile.steps);
  o.json ? printJson(m, peak, d, o, flops) : printText(m, peak, d, o, flops);
  if (!o.trace.empty())
    writeTrace(o.trace, profile, d);
  return 0;
}

} // namespace rt
