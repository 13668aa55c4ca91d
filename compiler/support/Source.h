// Source text and positions: what every message points at.
// In: file name and text.  Out: Span (file, line, column, length), counted from 1.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace cnnc {

/// A source file kept in memory: diagnostics print its lines.
struct SourceFile {
  std::string path; ///< as the user named it
  std::string text;
};

/// A piece of one line (or from `column` to the end of a longer construct's first line).
/// Lines and columns count from 1; columns count bytes. `line` 0 means "no position" (e.g. a built-in).
struct Span {
  std::shared_ptr<const SourceFile> file;
  uint32_t line = 0;
  uint32_t column = 0;
  uint32_t length = 1;
};

} // namespace cnnc
