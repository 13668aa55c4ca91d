// cnn_rt_launch: the one door from generated code into the runtime.
// In: a kernel and its buffers.  Out: all pieces done.
#include "runtime/device/Launch.h"
#include <chrono>

using namespace rt;

// Below this much work, waking another core costs more than it brings (a wake is about 2 us, a core does about 10 flops in 1 ns).
static constexpr uint64_t smallFlops = 20000, smallBytes = 32768;

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

extern "C" void cnn_rt_launch(const cnn_call *call, const cnn_kernel *kernel, void *const *buffers) {
  Device &device = *static_cast<Device *>(call->runtime);
  if (__builtin_expect(device.observer == nullptr, 1))
    return runPieces(device, *kernel, buffers);
  const auto start = std::chrono::steady_clock::now();
  runPieces(device, *kernel, buffers);
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  device.observer->launched(*kernel, buffers, time.count());
}
