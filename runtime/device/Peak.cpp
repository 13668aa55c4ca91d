// What this machine can do at best: independent chains of fused multiply-adds in registers, and copies.
// In: a pool of threads.  Out: rates. The loops are built for every width of vector and chosen by cpuid.
#include "runtime/device/Peak.h"
#include "runtime/device/AlignedBuffer.h"
#include <algorithm>
#include <chrono>
#include <functional>
#include <immintrin.h>

namespace rt {

namespace {
// Two FMA units with a latency of four or five cycles want ten chains in flight; AVX2 has 16 registers, two hold the operands.
constexpr int chains = 12;
constexpr int64_t rounds = 100000; // of every chain: about 0.2 ms a piece
constexpr int tries = 40; // short ones: on a busy machine some find every core free
volatile double sink;

} // namespace

#define FMA_LOOP(NAME, TARGET, VECTOR, SET1, STEP, FIRST)                                                                                     \
  __attribute__((target(TARGET), noinline)) static double NAME(int64_t n) {                                                                  \
    const VECTOR factor = SET1(0.999), term = SET1(0.001);                                                                                   \
    VECTOR a[chains];                                                                                                                        \
    _Pragma("GCC unroll 12") for (int i = 0; i < chains; ++i) a[i] = SET1(double(i));                                                        \
    for (; n; --n) {                                                                                                                         \
      _Pragma("GCC unroll 12") for (int i = 0; i < chains; ++i) a[i] = STEP(a[i], factor, term);                                             \
      __asm__ volatile("");                                                                                                                  \
    }                                                                                                                                        \
    _Pragma("GCC unroll 12") for (int i = 1; i < chains; ++i) a[0] = STEP(a[i], a[0], term);                                                 \
    return double(FIRST(a[0]));                                                                                                              \
  }
#define SSE_STEP32(a, b, c) _mm_add_ps(_mm_mul_ps(a, b), c)
#define SSE_STEP64(a, b, c) _mm_add_pd(_mm_mul_pd(a, b), c)
FMA_LOOP(sse32, "sse2", __m128, _mm_set1_ps, SSE_STEP32, _mm_cvtss_f32)
FMA_LOOP(sse64, "sse2", __m128d, _mm_set1_pd, SSE_STEP64, _mm_cvtsd_f64)
FMA_LOOP(avx32, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_cvtss_f32)
FMA_LOOP(avx64, "avx2,fma", __m256d, _mm256_set1_pd, _mm256_fmadd_pd, _mm256_cvtsd_f64)
FMA_LOOP(avx512of32, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_cvtss_f32)
FMA_LOOP(avx512of64, "avx512f", __m512d, _mm512_set1_pd, _mm512_fmadd_pd, _mm512_cvtsd_f64)
// The bits of two bf16 in each lane; sums of them stay finite.
#define PAIR_STEP(a, b, c) _mm512_dpbf16_ps(a, (__m512bh)(b), (__m512bh)(c))
FMA_LOOP(avx512of16, "avx512f,avx512bf16", __m512, _mm512_set1_ps, PAIR_STEP, _mm512_cvtss_f32)

Peak Peak::bestOf(const Peak &other) const {
  Peak best = *this;
  for (double Peak::*rate : {&Peak::flops32, &Peak::flops64, &Peak::flops16, &Peak::memoryBytes, &Peak::lastCacheBytes, &Peak::cacheBytes})
    best.*rate = std::max(this->*rate, other.*rate);
  best.launchSeconds = std::min(launchSeconds, other.launchSeconds);
  return best;
}

static double bestSeconds(int times, const std::function<void()> &f) {
  double best = 1e30;
  for (int i = 0; i < times; ++i) {
    const auto start = std::chrono::steady_clock::now();
    f();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

static double flops(ThreadPool &pool, double (*loop)(int64_t), int lanes) {
  constexpr int64_t piecesAThread = 4;
  const int64_t pieces = piecesAThread * pool.threads();
  const double seconds = bestSeconds(tries, [&] { pool.parallelFor(pieces, [&](int64_t) { sink = loop(rounds); }); });
  return 2.0 * lanes * chains * double(rounds) * double(pieces) / seconds;
}

/// Every thread copies within its own part of `bytes`, `times` times over.
static double copyRate(ThreadPool &pool, size_t bytes, int times) {
  const size_t part = bytes / 2;
  const AlignedBuffer memory(bytes * size_t(pool.threads()));
  const double seconds = bestSeconds(tries, [&] {
    pool.parallelFor(pool.threads(), [&](int64_t i) {
      char *to = memory.bytes() + size_t(i) * bytes;
      for (int t = 0; t < times; ++t) {
        std::memcpy(to, to + part, part);
        __asm__ volatile("" : : "r"(to) : "memory");
      }
    });
  });
  return double(bytes) * times * pool.threads() / seconds;
}

Peak measurePeak(ThreadPool &pool, const std::string &features) {
  Peak peak;
  __builtin_cpu_init();
  double (*single)(int64_t) = sse32, (*twice)(int64_t) = sse64;
  int bytes = 16;
  peak.vectors = "SSE2 (no FMA)";
  auto usable = [&](const char *name) { return features.find(name) != std::string::npos; };
  if (usable("avx512f") && __builtin_cpu_supports("avx512f"))
    single = avx512of32, twice = avx512of64, bytes = 64, peak.vectors = "AVX-512";
  else if (usable("avx2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    single = avx32, twice = avx64, bytes = 32, peak.vectors = "AVX2";
  peak.flops32 = flops(pool, single, bytes / 4);
  peak.flops64 = flops(pool, twice, bytes / 8);
  if (usable("avx512bf16") && __builtin_cpu_supports("avx512bf16"))
    peak.flops16 = flops(pool, avx512of16, 2 * bytes / 4);
  // Far beyond a share of the last cache; within one, beyond a core's own; and half of a core's own (256 KiB at least in every processor of these vectors).
  constexpr size_t beyondCache = size_t(96) << 20, lastCache = size_t(8) << 20, withinCache = size_t(128) << 10;
  peak.memoryBytes = copyRate(pool, beyondCache, 1);
  peak.lastCacheBytes = copyRate(pool, lastCache, 1);
  peak.cacheBytes = copyRate(pool, withinCache, 50);
  constexpr int launches = 200;
  const int64_t pieces = pool.threads();
  peak.launchSeconds = bestSeconds(tries, [&] {
                         for (int i = 0; i < launches; ++i)
                           pool.run([](void *const *, int64_t) {}, nullptr, pieces);
                       }) / launches;
  return peak;
}

} // namespace rt
