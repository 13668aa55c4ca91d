// The text of a document, and its positions in the protocol's units: lines from 0, characters in UTF-16.
// In: text, byte offsets and Spans.  Out: positions and ranges, and back; whatever is outside is moved to the nearest end.
#pragma once

#include "compiler/support/Source.h"

#include "llvm/Support/LSP/Protocol.h"

#include <vector>

namespace cnnc {

namespace protocol = llvm::lsp;

class Text {
public:
  explicit Text(std::string text = "");

  size_t offset(protocol::Position position) const;
  protocol::Position position(size_t offset) const;
  protocol::Range range(size_t begin, size_t end) const { return {position(begin), position(end)}; }
  /// A span of this text; the beginning where it has no position.
  protocol::Range range(const Span &span) const { return range(begin(span), end(span)); }
  size_t begin(const Span &span) const;
  size_t end(const Span &span) const { return std::min(begin(span) + span.length, lineEnd(span.line)); }
  /// The line as Span counts, from 1.
  std::string line(uint32_t number) const;
  uint32_t lines() const { return uint32_t(starts.size()); }
  void replace(protocol::Range range, const std::string &by);

  const std::string &text() const { return bytes; }

private:
  size_t lineEnd(uint32_t number) const;

  std::string bytes;
  std::vector<size_t> starts;
};

} // namespace cnnc
