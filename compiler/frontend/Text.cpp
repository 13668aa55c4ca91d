// Checks of the bare text, before any token.
// In: a source file.  Out: true, or a diagnostic at the first byte that is wrong.
#include "compiler/frontend/Text.h"

#include <cstdio>

namespace cnnc {

size_t utf8Length(const std::string &text, size_t i) {
  auto byte = [&](size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0u; };
  auto follows = [&](size_t k) { return (byte(k) & 0xC0) == 0x80; };
  unsigned c = byte(i);
  if (c < 0x80)
    return 1;
  if (c >= 0xC2 && c <= 0xDF)
    return follows(i + 1) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    bool overlong = c == 0xE0 && byte(i + 1) < 0xA0;
    bool surrogate = c == 0xED && byte(i + 1) > 0x9F;
    return follows(i + 1) && follows(i + 2) && !overlong && !surrogate ? 3 : 0;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    bool outOfRange = (c == 0xF0 && byte(i + 1) < 0x90) || (c == 0xF4 && byte(i + 1) > 0x8F);
    return follows(i + 1) && follows(i + 2) && follows(i + 3) && !outOfRange ? 4 : 0;
  }
  return 0;
}

bool checkText(const std::shared_ptr<const SourceFile> &source, DiagnosticEngine &diagnostics) {
  const std::string &text = source->text;
  for (size_t i = 0; i < text.size();) {
    auto c = static_cast<unsigned char>(text[i]);
    bool control = (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
    size_t length = utf8Length(text, i);
    if (control || length == 0) {
      char buffer[64];
      std::snprintf(buffer, sizeof buffer, "byte 0x%02x is %s", c, control ? "a control character" : "not UTF-8");
      diagnostics.report(Diag::NotText, spanOf(source, i, i + 1)).label(spanOf(source, i, i + 1), buffer);
      return false;
    }
    i += length;
  }
  return true;
}

} // namespace cnnc
