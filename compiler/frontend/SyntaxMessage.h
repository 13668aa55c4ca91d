// What is said of a word or sign that does not fit: it knows what the parser would have taken, and nothing of the parser.
// In: the word and what was expected.  Out: a diagnostic.
#pragma once

#include "compiler/support/Diagnostics.h"

namespace cnnc {

struct Unexpected {
  std::string text; ///< empty: the end of the file
  bool isName = false;
  std::string rule;                        ///< of the grammar, in which it stands
  bool value = false, name = false;        ///< would a value, a name have done?
  std::vector<std::string> signs;          ///< words and signs that would have done; empty: the end of the file
};

void reportSyntax(const Unexpected &unexpected, const Span &span, DiagnosticEngine &diagnostics);

} // namespace cnnc
