// A file that is open in the editor, with what the front end makes of it.
// In: its path and text, whole or half written.  Out: diagnostics of this text, and an Understanding of it or of the last text that could be parsed.
#pragma once

#include "compiler/frontend/Frontend.h"
#include "compiler/lsp/Text.h"

namespace cnnc {

class Document {
public:
  Document(protocol::URIForFile uri, std::string text, int64_t version);
  void change(const std::vector<protocol::TextDocumentContentChangeEvent> &changes, int64_t version);

  /// A span of the understood text as a range of the present one; none where its line has been changed since.
  std::optional<protocol::Range> rangeNow(const Span &span) const;
  /// Is it in this file, not in an import or the prelude?
  bool isHere(const Span &span) const { return span.file && span.line && span.file == source; }

  const protocol::URIForFile uri;
  int64_t version = 0;
  Text text;
  DiagnosticEngine diagnostics;
  std::shared_ptr<const SourceFile> checked; ///< the present text, which the diagnostics point into
  Understanding understanding;
  std::shared_ptr<const SourceFile> source; ///< the text that `understanding` points into

private:
  void check();

  Text understood;
  uint32_t sameBefore = 0, sameAfter = 0; ///< lines at the beginning and the end that are as they were
};

} // namespace cnnc
