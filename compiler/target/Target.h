// The processor that code is made for, as the tile rules see it.
// In: filled by codegen from --mcpu.  Out: numbers. Plain C++: no room stands below this one.
#pragma once

#include <cstdint>

namespace cnnc {

/// What code generation knows of the processor; the tile rules (Tiles.h) take everything from here.
struct TargetInfo {
  int64_t vectorBytes = 64; ///< 64 with AVX-512, 32 with AVX2, 16 with SSE2
  int64_t registers = 32;   ///< vector registers
  bool winograd = true;     ///< convolutions may be made in Winograd's form: fewer multiplications, another rounding
  bool dotsPairs = false;   ///< sums of products of pairs of bf16 in one instruction, at more than the rate of f32
  int64_t l1Bytes = 32 << 10, l2Bytes = 1 << 20;
};

} // namespace cnnc
