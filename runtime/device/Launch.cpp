// cnn_rt_launch and cnn_rt_chain: the doors from generated code into the runtime.
// In: kernels and their buffers.  Out: all pieces done, in any order that the contract allows.
#include "runtime/device/AlignedBuffer.h"
#include "runtime/device/Launch.h"
#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <vector>

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
    for (int64_t i = 0; i < kernel.pieces; ++i)
      kernel.run(buffers, device.backwards ? kernel.pieces - 1 - i : i);
    return;
  }
  device.pool.run(kernel.run, buffers, kernel.pieces, device.backwards);
}

static void runUnit(const cnn_chain &chain, uint32_t k, void *const *buffers, int64_t unit) {
  const cnn_kernel &kernel = *chain.kernels[k];
  const int64_t first = unit * chain.pieces_of_unit[k], end = std::min(first + chain.pieces_of_unit[k], kernel.pieces);
  for (int64_t piece = first; piece < end; ++piece)
    kernel.run(buffers, piece);
}

/// `use(first, end)` for the units of each stripe, which are to run in order.
template <class Use> static void inStripes(Device &device, const cnn_chain &chain, const Use &use) {
  const int64_t units = std::max<int64_t>(1, chain.units_of_stripe);
  device.pool.parallelFor((chain.units + units - 1) / units,
                          [&](int64_t stripe) { use(stripe * units, std::min((stripe + 1) * units, chain.units)); }, device.backwards);
}

/// The buffers of a chain's kernels as its units see them.
class UnitBuffers {
public:
  UnitBuffers(const cnn_chain &chain, void *const *const *buffers) : chain(chain), buffers(buffers) {
    if (!chain.local_bytes)
      return;
    for (uint32_t k = 0; k < chain.n_kernels; ++k)
      moved.insert(moved.end(), buffers[k], buffers[k] + chain.kernels[k]->n_buffers);
  }

  /// For a thread and a unit. Kernels count the images of a local map from the batch's first on: it begins before the unit's part.
  void moveTo(int thread, int64_t unit) {
    place([&](void *own, int64_t bytes) { return static_cast<char *>(own) + (int64_t(chain.local_stride) * thread - unit * bytes); });
  }
  /// Local maps get memory of their own, as large as the whole map.
  void keepAll() {
    place([&](void *own, int64_t bytes) {
      AlignedBuffer &whole = wholes[{own, bytes}];
      if (!whole.data())
        whole = AlignedBuffer(size_t(chain.units * bytes));
      return whole.bytes();
    });
  }
  /// To be asked for in the order of the kernels, once a unit.
  void *const *of(uint32_t k) {
    if (moved.empty())
      return buffers[k];
    void *const *those = first;
    first += chain.kernels[k]->n_buffers;
    return those;
  }

private:
  /// Puts each local map where `placeOf` says, of its place in the first thread's part and a unit's bytes.
  template <class PlaceOf> void place(const PlaceOf &placeOf) {
    size_t at = 0;
    for (uint32_t k = 0; k < chain.n_kernels && !moved.empty(); ++k)
      for (uint32_t i = 0; i < chain.kernels[k]->n_buffers; ++i, ++at)
        if (const int64_t bytes = chain.local_bytes[at])
          moved[at] = placeOf(buffers[k][i], bytes);
    first = moved.data();
  }

  const cnn_chain &chain;
  void *const *const *buffers;
  std::vector<void *> moved; ///< all kernels' buffers, one behind the other; empty where no map is local
  void *const *first = nullptr;
  std::map<std::pair<void *, int64_t>, AlignedBuffer> wholes;
};

/// `use(k, buffers, unit)` for each kernel of each unit.
template <class Use> static void runUnits(Device &device, const cnn_chain &chain, void *const *const *buffers, const Use &use) {
  inStripes(device, chain, [&](int64_t first, int64_t end) {
    UnitBuffers ofUnit(chain, buffers);
    for (int64_t unit = first; unit < end; ++unit) {
      ofUnit.moveTo(ThreadPool::current(), unit);
      for (uint32_t k = 0; k < chain.n_kernels; ++k)
        use(k, ofUnit.of(k), unit);
    }
  });
}

/// One kernel behind the other, each over all units, for who looks at what they leave.
static void runKernels(Device &device, const cnn_chain &chain, void *const *const *buffers) {
  UnitBuffers whole(chain, buffers);
  whole.keepAll();
  for (uint32_t k = 0; k < chain.n_kernels; ++k) {
    void *const *those = whole.of(k);
    const auto start = Clock::now();
    inStripes(device, chain, [&](int64_t first, int64_t end) {
      for (int64_t unit = first; unit < end; ++unit)
        runUnit(chain, k, those, unit);
    });
    const auto end = Clock::now();
    device.observer->launched(*chain.kernels[k], those, std::chrono::duration<double>(end - start).count(), end);
  }
}

/// With a clock around each kernel's part of a unit: the chain's time is shared out by what they took.
static void observe(Device &device, const cnn_chain &chain, void *const *const *buffers) {
  std::unique_ptr<std::atomic<int64_t>[]> taken(new std::atomic<int64_t>[chain.n_kernels]());
  const auto start = Clock::now();
  runUnits(device, chain, buffers, [&](uint32_t k, void *const *those, int64_t unit) {
    const auto from = Clock::now();
    runUnit(chain, k, those, unit);
    taken[k].fetch_add((Clock::now() - from).count(), std::memory_order_relaxed);
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
  if (__builtin_expect(device.observer != nullptr, 0))
    return device.observer->readsBuffers() ? runKernels(device, *chain, buffers) : observe(device, *chain, buffers);
  if (threads > 1 && chain->units < unitsAThread * threads && !chain->local_bytes && chain->units_of_stripe == 0) {
    for (uint32_t k = 0; k < chain->n_kernels; ++k)
      cnn_rt_launch(call, chain->kernels[k], buffers[k]);
    return;
  }
  runUnits(device, *chain, buffers, [&](uint32_t k, void *const *those, int64_t unit) { runUnit(*chain, k, those, unit); });
}
