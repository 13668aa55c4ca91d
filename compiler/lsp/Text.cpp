// Byte offsets <-> positions in UTF-16.
// In: text.  Out: positions. Bytes that are no UTF-8 count as one character each.
#include "compiler/lsp/Text.h"

#include <algorithm>

namespace cnnc {
namespace {

/// Length in bytes of the character at `i`, by its first byte alone.
size_t characterBytes(const std::string &text, size_t i) {
  auto c = static_cast<unsigned char>(text[i]);
  size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
  for (size_t k = 1; k < length; ++k)
    if (i + k >= text.size() || (static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80)
      return 1;
  return length;
}
/// Beyond U+FFFF a character is a pair in UTF-16.
int utf16Units(size_t bytes) { return bytes == 4 ? 2 : 1; }

} // namespace

Text::Text(std::string text) : bytes(std::move(text)) {
  starts.push_back(0);
  for (size_t i = 0; i < bytes.size(); ++i)
    if (bytes[i] == '\n')
      starts.push_back(i + 1);
}

size_t Text::lineEnd(uint32_t number) const {
  size_t end = number < starts.size() ? starts[number] - 1 : bytes.size();
  size_t begin = number ? starts[std::min<size_t>(number, starts.size()) - 1] : 0;
  return end > begin && bytes[end - 1] == '\r' ? end - 1 : end;
}

size_t Text::offset(protocol::Position position) const {
  if (position.line < 0)
    return 0;
  if (size_t(position.line) >= starts.size())
    return bytes.size();
  size_t i = starts[size_t(position.line)], end = lineEnd(uint32_t(position.line) + 1);
  for (int units = 0; i < end;) {
    size_t length = characterBytes(bytes, i);
    units += utf16Units(length);
    if (units > position.character)
      break;
    i += length;
  }
  return i;
}

protocol::Position Text::position(size_t offset) const {
  offset = std::min(offset, bytes.size());
  size_t line = size_t(std::upper_bound(starts.begin(), starts.end(), offset) - starts.begin()) - 1;
  int units = 0;
  for (size_t i = starts[line]; i < offset;) {
    size_t length = characterBytes(bytes, i);
    units += utf16Units(length);
    i += length;
  }
  return {int(line), units};
}

size_t Text::begin(const Span &span) const {
  if (!span.line || span.line > starts.size())
    return span.line ? bytes.size() : 0;
  return std::min(starts[span.line - 1] + (span.column ? span.column - 1 : 0), lineEnd(span.line));
}

std::string Text::line(uint32_t number) const {
  return number && number <= starts.size() ? bytes.substr(starts[number - 1], lineEnd(number) - starts[number - 1]) : "";
}

void Text::replace(protocol::Range range, const std::string &by) {
  size_t begin = offset(range.start), end = std::max(begin, offset(range.end));
  *this = Text(bytes.substr(0, begin) + by + bytes.substr(end));
}

} // namespace cnnc
