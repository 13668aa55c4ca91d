// cnn_rt_launch and cnn_rt_chain: the doors from generated code into the runtime.
// In: kernels and their buffers.  Out: all pieces done, in any order that the contract allows.
#include "runtime/device/Launch.h"
#include <algorithm>
#include <atomic>
#include <memory>

using namespace rt;
using Clock = std::chrono::steady_clock;

// Below this much work, waking another core costs more than it brings (a wake is about 2 us, a core does about 10 flops in 1 ns).
static constexpr uint64_t smallFlops = 20000, smallBytes = 32768;
// Fewer units a thread leave some of them idle at the end.
static constexpr int64_t unitsAThread = 2;

static bool isSmall(const cnn_kernel &kernel) {
  return kernel.bytes != 0 && kernel.bytes < smallBytes && kernel.flops < smallFlops;
}

static void runPieces(Device &device, const cnn_kernel &kernel, void *const *buffers) {
  if (kernel.pieces == 1 || device.pool.threads() == 1 || isSmall(kernel)) {
    for (int64_t piece = 0; piece < kernel.pieces; ++piece)
      kernel.run(buffers, piece);
    return;
  }
  device.pool.run(kernel.run, buffers, kernel.pieces);
}

static void runUnit(const cnn_chain &chain, uint32_t k, void *const *buffers, int64_t unit) {
  const cnn_kernel &kernel = *chain.kernels[k];
  const int64_t first = unit * chain.pieces_of_unit[k], end = std::min(first + chain.pieces_of_unit[k], kernel.pieces);
  for (int64_t piece = first; piece < end; ++piece)
    kernel.run(buffers, piece);
}

/// With a clock around each kernel's part of a unit: the chain's time is shared out by what they took.
static void observe(Device &device, const cnn_chain &chain, void *const *const *buffers) {
  std::unique_ptr<std::atomic<int64_t>[]> taken(new std::atomic<int64_t>[chain.n_kernels]());
  const auto start = Clock::now();
  device.pool.parallelFor(chain.units, [&](int64_t unit) {
    auto from = Clock::now();
    for (uint32_t k = 0; k < chain.n_kernels; ++k) {
      runUnit(chain, k, buffers[k], unit);
      const auto to = Clock::now();
      taken[k].fetch_add((to - from).count(), std::memory_order_relaxed);
      from = to;
    }
  });
  const double whole = std::chrono::duration<double>(Clock::now() - start).count();
  double sum = 0, passed = 0;
  for (uint32_t k = 0; k < chain.n_kernels; ++k)
    sum += double(taken[k].load());
  for (uint32_t k = 0; k < chain.n_kernels; ++k) {
    const double seconds = sum > 0 ? whole * double(taken[k].load()) / sum : 0;
    passed += seconds;
    device.observer->launched(*chain.kernels[k], buffers[k], seconds, start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(passed)));
  }
}

extern "C" void cnn_rt_launch(const cnn_call *call, const cnn_kernel *kernel, void *const *buffers) {
  Device &device = *static_cast<Device *>(call->runtime);
  if (__builtin_expect(device.observer == nullptr, 1))
    return runPieces(device, *kernel, buffers);
  const auto start = Clock::now();
  runPieces(device, *kernel, buffers);
  const auto end = Clock::now();
  device.observer->launched(*kernel, buffers, std::chrono::duration<double>(end - start).count(), end);
}

extern "C" void cnn_rt_chain(const cnn_call *call, const cnn_chain *chain, void *const *const *buffers) {
  Device &device = *static_cast<Device *>(call->runtime);
  const int threads = device.pool.threads();
  if (threads > 1 && chain->units < unitsAThread * threads) {
    for (uint32_t k = 0; k < chain->n_kernels; ++k)
      cnn_rt_launch(call, chain->kernels[k], buffers[k]);
    return;
  }
  if (__builtin_expect(device.observer != nullptr, 0))
    return observe(device, *chain, buffers);
  device.pool.parallelFor(chain->units, [&](int64_t unit) {
    for (uint32_t k = 0; k < chain->n_kernels; ++k)
      runUnit(*chain, k, buffers[k], unit);
  });
}
