// The two orders of a tensor's elements.
// In: OIHW, or [O/block][KH][KW][I][block].  Out: the other.
#include "runtime/params/StorageLayout.h"
#include <cstring>

namespace rt {

/// Calls move(logical index, stored index) for every element.
template <class Move> static void eachFilterElement(const TensorInfo &tensor, const Move &move) {
  const int64_t O = tensor.shape[0], I = tensor.shape[1], H = tensor.shape[2], W = tensor.shape[3], B = tensor.storage.block;
  int64_t stored = 0;
  for (int64_t group = 0; group < O / B; ++group)
    for (int64_t h = 0; h < H; ++h)
      for (int64_t w = 0; w < W; ++w)
        for (int64_t i = 0; i < I; ++i)
          for (int64_t b = 0; b < B; ++b)
            move((((group * B + b) * I + i) * H + h) * W + w, stored++);
}

template <class T> static void permute(const TensorInfo &tensor, const T *from, T *to, bool fromStored) {
  if (fromStored)
    eachFilterElement(tensor, [=](int64_t logical, int64_t stored) { to[logical] = from[stored]; });
  else
    eachFilterElement(tensor, [=](int64_t logical, int64_t stored) { to[stored] = from[logical]; });
}

static void convert(const TensorInfo &tensor, size_t bytes, const void *from, void *to, bool fromStored) {
  if (!tensor.storage.filter)
    std::memcpy(to, from, size_t(tensor.elements) * bytes);
  else if (bytes == 8)
    permute(tensor, static_cast<const uint64_t *>(from), static_cast<uint64_t *>(to), fromStored);
  else if (bytes == 4)
    permute(tensor, static_cast<const uint32_t *>(from), static_cast<uint32_t *>(to), fromStored);
  else
    permute(tensor, static_cast<const uint16_t *>(from), static_cast<uint16_t *>(to), fromStored);
}

void toLogical(const TensorInfo &tensor, size_t elementBytes, const void *stored, void *logical) {
  convert(tensor, elementBytes, stored, logical, true);
}

void toStored(const TensorInfo &tensor, size_t elementBytes, const void *logical, void *stored) {
  convert(tensor, elementBytes, logical, stored, false);
}

void toStored(const TensorInfo &tensor, size_t elementBytes, int64_t first, int64_t n, const void *logical, void *stored) {
  const char *from = static_cast<const char *>(logical);
  char *to = static_cast<char *>(stored);
  if (!tensor.storage.filter) {
    std::memcpy(to + size_t(first) * elementBytes, from, size_t(n) * elementBytes);
    return;
  }
  const int64_t I = tensor.shape[1], taps = tensor.shape[2] * tensor.shape[3], B = tensor.storage.block;
  for (int64_t k = 0; k < n; ++k) {
    const int64_t tap = (first + k) % taps, i = (first + k) / taps % I, o = (first + k) / taps / I;
    const int64_t at = ((o / B * taps + tap) * I + i) * B + o % B;
    std::memcpy(to + size_t(at) * elementBytes, from + size_t(k) * elementBytes, elementBytes);
  }
}

} // namespace rt
