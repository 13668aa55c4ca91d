// What a trainer will hold at its peak.
// In: the plan.  Out: its parts and their sum, for some numbers of threads; pages as Linux gives them for runtime/device/AlignedBuffer.h.
#include "compiler/driver/Memory.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace cnnc {
namespace {

constexpr int64_t kib = 1 << 10, mib = 1 << 20;
// The program, libc and libm, the heap of the description and the command line; measured (bench/memory.py).
constexpr int64_t programBytes = 4070 * kib;
// Of a thread of the pool, beside the scratch of kernels: its stack's first pages and what libc keeps for it.
constexpr int64_t threadBytes = 90 * kib;

/// Memory that a buffer of the runtime occupies: large ones stand on huge pages.
int64_t resident(int64_t bytes) {
  constexpr int64_t page = 4 * kib, hugePage = 2 * mib;
  int64_t unit = bytes >= 2 * hugePage ? hugePage : page;
  return (bytes + unit - 1) / unit * unit;
}

std::string inMib(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", double(bytes) / mib);
  return text;
}

} // namespace

std::string memoryReport(const Network &network, const Program &trainStep, int64_t scratchBytes, bool json) {
  int64_t tensors = 0, pictures = 0, N = network.train.batch;
  for (const Buffer &b : trainStep.buffers) {
    tensors += b.space == Buffer::Space::Tensor ? resident(b.bytes) : 0;
    pictures += b.space == Buffer::Space::Input ? b.bytes : 0;
  }
  int64_t batch = resident(pictures) + resident(N * (2 * int64_t(sizeof(int32_t)) + int64_t(sizeof(double)))); // two labels and their shares at most
  int64_t arena = resident(trainStep.arenaBytes);
  auto peak = [&](int64_t threads) { return programBytes + tensors + arena + batch + threads * scratchBytes + (threads - 1) * threadBytes; };
  if (json)
    return nlohmann::ordered_json{{"name", network.name}, {"batch", N}, {"program_bytes", programBytes}, {"tensor_bytes", tensors}, {"arena_bytes", arena},
                                  {"batch_bytes", batch}, {"scratch_bytes", scratchBytes}, {"thread_bytes", threadBytes}, {"peak_bytes", peak(1)}}
               .dump() + "\n";
  std::string out = "memory of " + network.name + ", training at batch " + std::to_string(N) + "\n";
  std::pair<const char *, int64_t> parts[] = {{"arena: maps, gradients, packed filters", arena}, {"parameters, statistics, optimiser's states", tensors},
                                              {"a batch of samples", batch}, {"program and libraries", programBytes}, {"scratch of a thread", scratchBytes}};
  for (auto [name, bytes] : parts) {
    std::string size = inMib(bytes);
    out += "  " + std::string(name) + std::string(46 - std::string(name).size() - (size.size() - 8), ' ') + size + "\n";
  }
  out += "peak: " + inMib(peak(1)) + " on 1 thread, " + inMib(peak(2)) + " on 2, " + inMib(peak(4)) + " on 4; beside it the data set, and in `train` one batch (" +
         inMib(batch) + ") for each batch made ahead\n";
  return out;
}

} // namespace cnnc
