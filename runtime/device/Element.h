// The element types of tensors on the host side: from the ABI's number to a C++ type.
// In: CNN_F32 or CNN_F64.  Out: a call of a generic function with a value of that type.
#pragma once
#include "runtime/Failure.h"
#include "runtime/abi.h"
#include <cstring>

namespace rt {

inline size_t elementBytes(uint32_t kind) {
  switch (kind) {
  case CNN_F32: case CNN_I32: return 4;
  case CNN_F64: return 8;
  case CNN_BF16: case CNN_I16: return 2;
  default: return 1;
  }
}

/// A bf16 is the upper half of a float.
inline float fromBf16(uint16_t upper) {
  const uint32_t bits = uint32_t(upper) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits.
inline float fromF16(uint16_t half) {
  const uint32_t sign = uint32_t(half & 0x8000u) << 16, exponent = half >> 10 & 0x1fu, fraction = half & 0x3ffu;
  if (exponent == 0) { // zero, or a multiple of the smallest subnormal number
    const float size = float(fraction) * 0x1p-24f;
    return sign ? -size : size;
  }
  constexpr uint32_t bias = 127 - 15, special = 255;
  const uint32_t bits = sign | (exponent == 31 ? special : exponent + bias) << 23 | fraction << 13;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Calls f(float()) or f(double()).
template <class F> decltype(auto) withElement(uint32_t kind, F &&f) {
  if (kind == CNN_F32)
    return f(float());
  if (kind == CNN_F64)
    return f(double());
  fail(Exit::badModel, "element kind {} is not supported by this runtime", kind);
}

} // namespace rt
