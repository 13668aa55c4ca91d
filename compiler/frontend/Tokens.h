// Tokens as the checks before parsing see them, and where they stand.
// In: the lexer's tokens, as kinds and texts.  Out: what of limits, stray characters and brackets must be said.
#pragma once

#include "compiler/support/Diagnostics.h"

namespace cnnc {

/// From the lexer's character indices to our byte positions.
class Positions {
public:
  explicit Positions(std::shared_ptr<const SourceFile> source);
  /// The characters [first, last], cut at the end of their first line. `atEnd`: the end of the last line that says something.
  Span span(size_t first, size_t last, bool atEnd) const;

  const std::shared_ptr<const SourceFile> source;

private:
  size_t byteAt(size_t character) const { return bytes[std::min(character, bytes.size() - 1)]; }
  std::vector<uint32_t> bytes, lineStarts;
};

struct Token {
  enum class Kind { Word, Identifier, UnclosedString, Unknown } kind = Kind::Word; ///< Word: every other word or sign
  std::string text;
  size_t first = 0, last = 0; ///< characters
};

enum class TokensAre {
  Good,
  Readable, ///< something was reported, and its line alone cannot be trusted
  Unusable, ///< beyond a limit, or brackets do not pair
};

/// Limits, stray characters and brackets. ANTLR's recursion has no limit of its own, so nothing unusable may reach it.
TokensAre checkTokens(const std::vector<Token> &tokens, const Positions &positions, DiagnosticEngine &diagnostics);

/// "`conv`", cut where it is long.
std::string quoted(const std::string &text);

bool isOneOf(const std::string &text, std::initializer_list<const char *> list);

} // namespace cnnc
