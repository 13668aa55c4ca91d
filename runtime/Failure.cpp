// Text that is safe to print.
// In: bytes from outside.  Out: the same without control characters, at most 200 bytes.
#include "runtime/Failure.h"

namespace rt {

std::string printable(const std::string &text) {
  static constexpr size_t longest = 200;
  std::string out;
  for (size_t i = 0; i < text.size() && i < longest; ++i) {
    const unsigned char c = (unsigned char)text[i];
    if (c < 0x20 || c == 0x7f)
      out += fmt::format("\\x{:02x}", c);
    else
      out += char(c);
  }
  return text.size() > longest ? out + "..." : out;
}

} // namespace rt
