// Checks of the bare text, before any token: is it text at all?
// In: a source file.  Out: true, or a diagnostic at the first byte that is wrong.
#pragma once

#include "compiler/support/Diagnostics.h"

namespace cnnc {

/// Valid UTF-8 without control characters other than tab and the ends of lines.
bool checkText(const std::shared_ptr<const SourceFile> &source, DiagnosticEngine &diagnostics);

/// Length in bytes of the UTF-8 character that starts at `i`; 0: none does.
size_t utf8Length(const std::string &text, size_t i);

} // namespace cnnc
