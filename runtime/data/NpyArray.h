// Arrays as NumPy stores them.
// In: the bytes of a .npy file.  Out: dtype, shape and the elements, sizes checked.
// Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rt {

struct NpyArray {
  char kind = 'u'; ///< 'u', 'i', 'f' or 'b'
  size_t bytes = 1; ///< of an element
  std::vector<int64_t> shape;
  std::string_view data; ///< little-endian, row-major; part of the bytes that were parsed
};

/// Fails with Exit::badData; `origin` stands in messages.
NpyArray parseNpy(std::string_view bytes, const std::string &origin);

} // namespace rt
