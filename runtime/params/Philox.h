// Random numbers by counter (Philox4x32-10, Salmon et al. 2011): a number depends on what it is for, never on what was drawn before.
// In: a key (the seed), what the numbers are for, and two counters.  Out: four 32-bit words, or doubles.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>

extern "C" void cnn_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4]);

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
  void normalPair(uint32_t i, double pair[2]) const {
    uniformPair(i, pair);
    const double radius = std::sqrt(-2 * std::log(1 - pair[0])), angle = 2 * M_PI * pair[1];
    pair[0] = radius * std::cos(angle);
    pair[1] = radius * std::sin(angle);
  }
  /// The i-th integer below n (n < 2^63; the bias is below n / 2^64).
  uint64_t below(uint32_t i, uint64_t n) const {
    const auto words = block(i);
    const uint64_t word = (uint64_t(words[0]) << 32) | words[1];
    return uint64_t((static_cast<Wide>(word) * n) >> 64);
  }

private:
  std::array<uint32_t, 2> key;
  std::array<uint32_t, 4> counter;
};

} // namespace rt
