// `cnnc fmt`: one layout for every file.
// In: a source file.  Out: its text with indentation and spaces set anew; words, comments and line breaks are the author's.
#pragma once

#include "compiler/support/Diagnostics.h"

#include <optional>

namespace cnnc {

/// Two spaces a bracket, one blank line at most, none inside brackets, one around `->` and around `=` outside of arguments (more, where
/// the author lines up columns). Formatting twice changes nothing more. nullopt if the file cannot be parsed.
std::optional<std::string> formatSource(const std::shared_ptr<const SourceFile> &source, DiagnosticEngine &diagnostics);

} // namespace cnnc
