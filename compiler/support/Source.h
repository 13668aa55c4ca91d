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

/// Reads at most `maxBytes`; null and `why` if that fails. "-" is standard input. `regularOnly` refuses devices and pipes.
std::shared_ptr<const SourceFile> readSource(const std::string &path, size_t maxBytes, bool regularOnly, std::string &why);

/// The span of bytes [begin, end), cut at the end of its first line.
Span spanOf(const std::shared_ptr<const SourceFile> &file, size_t begin, size_t end);

/// A line without its end.
std::string lineText(const SourceFile &file, uint32_t line);

/// "lenet.cnn:4:3"
std::string position(const Span &span);

} // namespace cnnc
