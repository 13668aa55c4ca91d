// Sums the bytes of launches by what they do.
// In: launches named "phase:family".  Out: a row for each phase, and the ratio to the least.
#include "compiler/driver/Traffic.h"

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

namespace cnnc {
namespace {

enum Work { Products, Maps, Sums, Pools, Packing, Update, works };
constexpr const char *workNames[works] = {"products", "elementwise", "sums", "pools", "packing", "update"};

Work workOf(llvm::StringRef phase, llvm::StringRef family) {
  if (phase == "update")
    return Update;
  if (family == "winograd_filter" || family == "winograd_input" || family == "winograd_filter_end" || family == "pair_packing" || family == "transpose" || family == "copy")
    return Packing;
  if (family == "map" || family == "fill")
    return Maps;
  if (family == "sum" || family == "combine")
    return Sums;
  return family.contains("pool") ? Pools : Products;
}

std::string inMib(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%9.1f MiB", double(bytes) / (1 << 20));
  return text;
}

} // namespace

std::string trafficReport(const Network &network, const Program &trainStep, bool json) {
  std::map<std::string, std::array<int64_t, works>> moved; // by phase
  std::array<int64_t, works> total{};
  int64_t all = 0, least = 0;
  for (const Launch &l : trainStep.launches) {
    auto [phase, family] = llvm::StringRef(l.what).split(':');
    Work work = workOf(phase, family);
    const int64_t bytes = int64_t(l.bytes - l.cachedBytes);
    moved[phase.str()][work] += bytes, total[work] += bytes, all += bytes;
    if (work == Products || work == Update)
      least += int64_t(l.bytes);
  }
  double ratio = least ? double(all) / double(least) : 1;
  if (json) {
    nlohmann::ordered_json j{{"name", network.name}, {"batch", network.train.batch}, {"bytes", all}, {"least_bytes", least}, {"ratio", ratio}};
    for (int w = 0; w < works; ++w)
      j["by_work"][workNames[w]] = total[w];
    for (const Launch &l : trainStep.launches)
      j["kernels"].push_back({{"layer", l.layer}, {"kernel", l.what}, {"bytes", l.bytes - l.cachedBytes}, {"cached_bytes", l.cachedBytes}});
    return j.dump() + "\n";
  }
  std::string out = "traffic of " + network.name + ", a training step at batch " + std::to_string(network.train.batch) + "\n";
  for (const char *phase : {"forward", "backward", "recompute", "update"})
    for (int w = 0; w < works; ++w)
      if (int64_t bytes = moved[phase][w]) {
        std::string name = std::string(phase) + (w == Update ? "" : std::string(" ") + workNames[w]);
        out += "  " + name + std::string(24 - name.size(), ' ') + inMib(bytes) + "\n";
      }
  char line[160];
  std::snprintf(line, sizeof line, "moved: %.1f MiB in %zu kernels; at least, by products and update alone: %.1f MiB; ratio %.2f\n", double(all) / (1 << 20),
                trainStep.launches.size(), double(least) / (1 << 20), ratio);
  return out + line;
}

} // namespace cnnc
