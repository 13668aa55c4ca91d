// Arrays as NumPy stores them.
// In: the bytes of a .npy file, or a member of a .npz archive.  Out: dtype, shape and the elements, sizes checked.
// Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html; APPNOTE.TXT of PKWARE for the archive.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace rt {

struct NpyArray {
  char kind = 'u'; ///< 'u', 'i', 'f' or 'b'
  size_t bytes = 1; ///< of an element
  std::vector<int64_t> shape;
  std::string data; ///< little-endian, row-major
};

/// Fails with Exit::badData; `origin` stands in messages.
NpyArray parseNpy(const std::string &bytes, const std::string &origin);
/// A member of an archive; `member` without ".npy".
std::string npzMember(const std::string &bytes, const std::string &member, const std::string &origin);

} // namespace rt
