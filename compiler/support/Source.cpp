// Reads source files within their limits.
// In: a path ("-": standard input).  Out: a SourceFile, or the reason why there is none.
#include "compiler/support/Source.h"

#include <cerrno>
#include <cstdio>
#include <algorithm>
#include <cstring>
#include <sys/stat.h>

namespace cnnc {

std::shared_ptr<const SourceFile> readSource(const std::string &path, size_t maxBytes, bool regularOnly, std::string &why) {
  struct stat status {};
  if (path != "-" && ::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) {
      why = "it is a directory";
      return nullptr;
    }
    if (regularOnly && !S_ISREG(status.st_mode)) {
      why = "it is not a regular file";
      return nullptr;
    }
  }
  std::FILE *in = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (!in) {
    why = std::strerror(errno);
    return nullptr;
  }
  auto source = std::make_shared<SourceFile>();
  source->path = path == "-" ? "<stdin>" : path;
  source->text.resize(maxBytes + 1);
  size_t size = std::fread(source->text.data(), 1, maxBytes + 1, in);
  bool failed = std::ferror(in);
  if (failed)
    why = std::strerror(errno);
  if (in != stdin)
    std::fclose(in);
  if (failed)
    return nullptr;
  if (size > maxBytes) {
    why = "it is larger than the limit of " + std::to_string(maxBytes) + " bytes";
    return nullptr;
  }
  source->text.resize(size);
  source->text.shrink_to_fit();
  return source;
}

Span spanOf(const std::shared_ptr<const SourceFile> &file, size_t begin, size_t end) {
  const std::string &text = file->text;
  begin = std::min(begin, text.size());
  Span span;
  span.file = file;
  span.line = 1;
  size_t lineStart = 0;
  for (size_t i = 0; i < begin; ++i)
    if (text[i] == '\n') {
      ++span.line;
      lineStart = i + 1;
    }
  size_t lineEnd = std::min(text.find('\n', begin), text.size());
  span.column = uint32_t(begin - lineStart + 1);
  span.length = uint32_t(std::max<size_t>(1, std::min(end, lineEnd) - std::min(begin, std::min(end, lineEnd))));
  return span;
}

std::string lineText(const SourceFile &file, uint32_t line) {
  size_t start = 0;
  for (uint32_t l = 1; l < line; ++l) {
    start = file.text.find('\n', start);
    if (start == std::string::npos)
      return "";
    ++start;
  }
  std::string text = file.text.substr(start, file.text.find('\n', start) - start);
  if (!text.empty() && text.back() == '\r')
    text.pop_back();
  return text;
}

std::string position(const Span &span) {
  if (!span.file)
    return "";
  if (span.line == 0)
    return span.file->path;
  return span.file->path + ":" + std::to_string(span.line) + ":" + std::to_string(span.column);
}

} // namespace cnnc
