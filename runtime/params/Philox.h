// Random numbers by counter (Philox4x32-10, Salmon et al. 2011): a number depends on what it is for, never on what was drawn before.
// In: a key (the seed), what the numbers are for, and two counters.  Out: four 32-bit words, or doubles.
#pragma once
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
void cnn_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4]);
enum { CNN_PHILOX_PAIRS = 128 };
/// The first and second deviates of so many pairs from `counter` on, counter[0] being counted up.
void cnn_philox_uniforms(const uint32_t counter[4], const uint32_t key[2], double *first, double *second);
void cnn_philox_normals(const uint32_t counter[4], const uint32_t key[2], double *first, double *second);
#ifdef __cplusplus
}

#include <algorithm>
#include <array>

namespace rt {

/// What a number is for: different purposes never share a counter.
enum class Draw : uint32_t { parameters = 1, order = 2, split = 3, augment = 4, bench = 5, mix = 6 };

__extension__ typedef unsigned __int128 Wide;

class Philox {
public:
  /// `stream` tells apart tensors, epochs or samples within one purpose; it is 64 bits wide, the block below it 32.
  Philox(uint64_t seed, Draw draw, uint64_t stream)
      : key{{uint32_t(seed), uint32_t(seed >> 32)}}, counter{{0, uint32_t(stream), uint32_t(stream >> 32), uint32_t(draw)}} {}

  std::array<uint32_t, 4> block(uint32_t index) const {
    std::array<uint32_t, 4> at = counter, words;
    at[0] = index;
    cnn_philox4x32(at.data(), key.data(), words.data());
    return words;
  }
  /// The i-th pair of doubles, uniform in [0, 1), 53 bits each.
  void uniformPair(uint32_t i, double pair[2]) const {
    const auto words = block(i);
    for (int half = 0; half < 2; ++half)
      pair[half] = double(((uint64_t(words[2 * half]) << 32) | words[2 * half + 1]) >> 11) * 0x1p-53;
  }
  /// The i-th pair of normal deviates (Box and Muller 1958).
  void normalPair(uint32_t i, double pair[2]) const { normals(i, 2, pair); }
  /// n numbers from the i-th pair on.
  void uniforms(uint32_t i, int64_t n, double *values) const { pairs(cnn_philox_uniforms, i, n, values); }
  void normals(uint32_t i, int64_t n, double *values) const { pairs(cnn_philox_normals, i, n, values); }
  /// The i-th integer below n (n < 2^63; the bias is below n / 2^64).
  uint64_t below(uint32_t i, uint64_t n) const {
    const auto words = block(i);
    const uint64_t word = (uint64_t(words[0]) << 32) | words[1];
    return uint64_t((static_cast<Wide>(word) * n) >> 64);
  }

private:
  void pairs(decltype(cnn_philox_normals) *make, uint32_t i, int64_t n, double *values) const {
    double first[CNN_PHILOX_PAIRS], second[CNN_PHILOX_PAIRS];
    for (int64_t done = 0; done < n; done += 2 * CNN_PHILOX_PAIRS) {
      std::array<uint32_t, 4> at = counter;
      at[0] = i + uint32_t(done / 2);
      make(at.data(), key.data(), first, second);
      const int64_t left = std::min<int64_t>(n - done, 2 * CNN_PHILOX_PAIRS);
      for (int64_t k = 0; k < left; ++k)
        values[done + k] = k % 2 ? second[k / 2] : first[k / 2];
    }
  }

  std::array<uint32_t, 2> key;
  std::array<uint32_t, 4> counter;
};

} // namespace rt
#endif
