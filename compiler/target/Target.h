// The processor that code is made for, as the tile rules see it.
// In: filled by codegen from --mcpu.  Out: numbers. Plain C++: no room stands below this one.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace cnnc {

/// What a kernel's code may differ in without any change of its results.
enum class Knob {
  Pixels,         ///< most pixels of a convolution's register tile
  Unroll,         ///< input channels that its inner loop takes at once
  GradCells,      ///< most rows of a filter gradient's register tile
  GradPixels,     ///< pixels of a filter gradient's block
  WinogradGroups, ///< most register tiles of a piece of Winograd's form
  WinogradTiles,  ///< most tiles between transforms and products of its filter gradient
};
constexpr int knobs = 6;
constexpr const char *knobNames[knobs] = {"pixels", "unroll", "grad_cells", "grad_pixels", "winograd_groups", "winograd_tiles"};

/// Values in place of the rules' own, for one kernel. 0: by rule.
struct TileChoice {
  std::array<int64_t, knobs> values{};
  int64_t of(Knob knob, int64_t byRule) const { return values[int(knob)] ? values[int(knob)] : byRule; }
  /// " pixels=12 unroll=2": what is not by rule.
  std::string text() const {
    std::string s;
    for (int i = 0; i < knobs; ++i)
      if (values[i])
        s += std::string(" ") + knobNames[i] + "=" + std::to_string(values[i]);
    return s;
  }
};

/// What code generation knows of the processor; the tile rules (Tiles.h) take everything from here.
struct TargetInfo {
  int64_t vectorBytes = 64; ///< 64 with AVX-512, 32 with AVX2, 16 with SSE2
  int64_t registers = 32;   ///< vector registers
  bool winograd = true;     ///< convolutions may be made in Winograd's form: fewer multiplications, another rounding
  bool dotsPairs = false;   ///< sums of products of pairs of bf16 in one instruction
  bool amx = false;         ///< products of tiles of bf16 (AMX); dotsPairs holds too
  bool splitsF32 = false;   ///< f32 is multiplied in tiles, as three products of bf16 (precision bf16x3); amx holds too
  TileChoice choice;        ///< for the kernel that is being made
  int64_t l1Bytes = 32 << 10, l2Bytes = 1 << 20;
  bool nearLastCache = false; ///< it runs at the cores' clock, several times as fast as memory (AMD's Zen; on a Xeon it is hardly faster)
  static constexpr int64_t lineBytes = 64;    ///< of the caches
  static constexpr int64_t aliasBytes = 4096; ///< apart are lines of one set of the first-level cache
  int64_t chainBytes = 3 << 20; ///< what the launches of a chain may touch in a unit: the second-level cache and a share of the third
};

} // namespace cnnc
