// The instructions of AMX, run through the library that emulates them or by the processor, against plain loops.
// In: nothing.  Out: exit status 1 and a message where a value differs.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <immintrin.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace {

constexpr int rows = 13, columns = 10, pairs = 6, gap = 8; // A is wider than its tile

struct alignas(64) Configuration {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {4 * columns, 4 * pairs, 4 * columns};
  uint8_t height[16] = {rows, rows, pairs};
};

uint16_t narrow(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits >> 16;
}

/// Small whole numbers: every order of summation gives the same.
__attribute__((target("amx-tile,amx-bf16"))) int differences(int seed) {
  const Configuration configuration;
  uint16_t a[rows][2 * pairs + gap], b[pairs][2 * columns];
  float c[rows][columns], expected[rows][columns], zeros[rows][columns];
  auto x = [&](int i, int k) { return float((i * 7 + k * 3 + seed) % 17 - 8); };
  auto y = [&](int k, int j) { return float((k * 5 + j * 11 + seed) % 9 - 4); };
  for (int i = 0; i < rows; ++i)
    for (int k = 0; k < 2 * pairs + gap; ++k)
      a[i][k] = narrow(x(i, k));
  for (int k = 0; k < 2 * pairs; ++k)
    for (int j = 0; j < columns; ++j)
      b[k / 2][2 * j + k % 2] = narrow(y(k, j));
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      expected[i][j] = c[i][j] = float(i + j);
      for (int k = 0; k < 2 * pairs; ++k)
        expected[i][j] += x(i, k) * y(k, j);
    }
  _tile_loadconfig(&configuration);
  _tile_loadd(0, c, sizeof c[0]);
  _tile_loadd(1, a, sizeof a[0]);
  _tile_stream_loadd(2, b, sizeof b[0]);
  _tile_dpbf16ps(0, 1, 2);
  _tile_stored(0, c, sizeof c[0]);
  _tile_zero(0);
  _tile_stored(0, zeros, sizeof zeros[0]);
  _tile_release();
  int differ = 0;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j)
      differ += c[i][j] != expected[i][j] || zeros[i][j] != 0;
  return differ;
}

} // namespace

int main() {
  if (syscall(SYS_arch_prctl, 0x1023, 18)) {
    std::fprintf(stderr, "the tile registers are refused\n");
    return 1;
  }
  int differ[2] = {};
  std::thread other([&] {
    for (int i = 0; i < 100; ++i)
      differ[1] += differences(i + 1);
  });
  for (int i = 0; i < 100; ++i)
    differ[0] += differences(i);
  other.join();
  if (differ[0] || differ[1])
    std::fprintf(stderr, "%d and %d values differ\n", differ[0], differ[1]);
  return differ[0] || differ[1];
}
