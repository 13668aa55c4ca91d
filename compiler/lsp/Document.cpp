// Checks a document whenever it changes.
// In: changes.  Out: diagnostics, and an Understanding where the text can be parsed.
#include "compiler/lsp/Document.h"
#include "compiler/frontend/Parse.h"

#include <algorithm>

namespace cnnc {

Document::Document(protocol::URIForFile where, std::string content, int64_t number) : uri(std::move(where)), version(number), text(std::move(content)) { check(); }

void Document::change(const std::vector<protocol::TextDocumentContentChangeEvent> &changes, int64_t number) {
  for (const auto &change : changes)
    if (change.range)
      text.replace(*change.range, change.text);
    else
      text = Text(change.text);
  version = number;
  check();
}

void Document::check() {
  auto file = std::make_shared<SourceFile>();
  file->path = uri.file().str();
  file->text = text.text();
  checked = file;
  diagnostics = DiagnosticEngine();
  Understanding now;
  FrontendOptions options;
  options.allNetworks = true;
  try {
    if (file->text.size() > maxSourceBytes)
      diagnostics.report(Diag::TextLimit, {}, {"a file has at most " + std::to_string(maxSourceBytes) + " bytes"});
    else
      now = understand(checked, options, diagnostics);
  } catch (const std::exception &error) {
    diagnostics.report(Diag::Environment, {}, {std::string("the check ended early: ") + error.what()});
  }
  if (now.parsed) {
    understanding = std::move(now);
    source = checked;
    understood = text;
  }
  uint32_t most = std::min(text.lines(), understood.lines());
  for (sameBefore = 0; sameBefore < most && text.line(sameBefore + 1) == understood.line(sameBefore + 1);)
    ++sameBefore;
  for (sameAfter = 0; sameBefore + sameAfter < most && text.line(text.lines() - sameAfter) == understood.line(understood.lines() - sameAfter);)
    ++sameAfter;
}

std::optional<protocol::Range> Document::rangeNow(const Span &span) const {
  if (!isHere(span))
    return std::nullopt;
  Span now = span;
  if (span.line > sameBefore) {
    if (span.line + sameAfter <= understood.lines())
      return std::nullopt;
    now.line = span.line + text.lines() - understood.lines();
  }
  return text.range(now);
}

} // namespace cnnc
