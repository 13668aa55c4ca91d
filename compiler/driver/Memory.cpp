// What a trainer will hold at its peak.
// In: the plan.  Out: its parts and their sum, for some numbers of threads; pages as Linux gives them for runtime/device/AlignedBuffer.h.
#include "compiler/driver/Memory.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace cnnc {
namespace {

constexpr int64_t kib = 1 << 10, mib = 1 << 20;
constexpr int64_t page = 4 * kib, hugePage = 2 * mib;
// The program, libc and libm, the heap of the description and the command line; measured (bench/memory.py).
constexpr int64_t programBytes = 3770 * kib;
// Of a thread of the pool, beside the scratch of kernels: its stack's first pages and what libc keeps for it.
constexpr int64_t threadBytes = 90 * kib;

/// Memory that a buffer of the runtime occupies: large ones stand on huge pages.
int64_t resident(int64_t bytes) {
  int64_t unit = bytes >= hugePage / 2 ? hugePage : page;
  return (bytes + unit - 1) / unit * unit;
}

} // namespace

std::string inMib(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", double(bytes) / mib);
  return text;
}

int64_t PeakMemory::arena(int64_t threads) const { return resident(std::max(step.on(threads), evaluation.on(threads))); }
int64_t PeakMemory::on(int64_t threads) const { return program + tensors + arena(threads) + batch + threads * scratch + (threads - 1) * threadBytes; }

int64_t PeakMemory::arenaWithin(int64_t bound) const {
  int64_t rest = bound - (on(boundThreads) - arena(boundThreads));
  return rest <= 0 || resident(rest) == rest ? rest : rest >= hugePage ? rest / hugePage * hugePage : std::min(rest, hugePage / 2 - page) / page * page;
}

PeakMemory peakMemory(const Network &network, const Program &trainStep, const Program &evaluation, int64_t scratchBytes) {
  constexpr int64_t line = 64; // at whose beginning each tensor stands
  int64_t tensors = 0, pictures = 0, N = network.train.batch;
  for (const Buffer &b : trainStep.buffers) {
    tensors += b.space == Buffer::Space::Tensor ? (b.bytes + line - 1) / line * line : 0;
    pictures += b.space == Buffer::Space::Input ? b.bytes : 0;
  }
  int64_t batch = resident(pictures) + resident(N * (2 * int64_t(sizeof(int32_t)) + int64_t(sizeof(double)))); // two labels and their shares at most
  return {programBytes, resident(tensors), batch, {trainStep.arenaBytes, trainStep.localBytes}, {evaluation.arenaBytes, evaluation.localBytes}, scratchBytes};
}

std::string memoryReport(const Network &network, const PeakMemory &peak, const std::optional<Recomputed> &recomputed, bool json) {
  int64_t N = network.train.batch;
  if (json) {
    nlohmann::ordered_json j{{"name", network.name}, {"batch", N}, {"program_bytes", peak.program}, {"tensor_bytes", peak.tensors}, {"arena_bytes", peak.arena(0)}, {"local_bytes", peak.step.local},
                             {"batch_bytes", peak.batch}, {"scratch_bytes", peak.scratch}, {"thread_bytes", threadBytes}, {"peak_bytes", peak.on(1)}, {"peak_bytes_on", {peak.on(1), peak.on(2), peak.on(3), peak.on(boundThreads)}}};
    if (recomputed)
      j["recomputed"] = {{"launches", recomputed->launches}, {"flops_share", recomputed->flops}, {"bytes_share", recomputed->bytes}};
    return j.dump() + "\n";
  }
  std::string out = "memory of " + network.name + ", training at batch " + std::to_string(N) + "\n";
  std::pair<const char *, int64_t> parts[] = {{"arena: maps, gradients, packed filters", peak.arena(0)}, {"maps of a thread's own", peak.step.local}, {"parameters, statistics, optimiser's states", peak.tensors},
                                              {"a batch of samples", peak.batch}, {"program and libraries", peak.program}, {"scratch of a thread", peak.scratch}};
  for (auto [name, bytes] : parts) {
    std::string size = inMib(bytes);
    out += "  " + std::string(name) + std::string(46 - std::string(name).size() - (size.size() - 8), ' ') + size + "\n";
  }
  if (recomputed) {
    char line[160];
    std::snprintf(line, sizeof line, "made again in a step: %lld kernels, %.1f %% more arithmetic of products, %.1f %% more bytes moved\n",
                  (long long)recomputed->launches, 100 * recomputed->flops, 100 * recomputed->bytes);
    out += line;
  }
  out += "peak: " + inMib(peak.on(1)) + " on 1 thread, " + inMib(peak.on(2)) + " on 2, " + inMib(peak.on(boundThreads)) + " on " + std::to_string(boundThreads) +
         "; beside it the data set, and in `train` one batch (" + inMib(peak.batch) + ") for each batch made ahead\n";
  return out;
}

} // namespace cnnc
