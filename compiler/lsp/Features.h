// What the server answers, one function a request.
// In: a document.  Out: the protocol's structures. Each file that implements one is named after it.
#pragma once

#include "compiler/lsp/Document.h"

namespace cnnc {

// Report.cpp
/// LLVM's structure has no place for the code.
struct Report {
  protocol::Diagnostic diagnostic;
  const char *code;
};
std::vector<Report> reportsOf(const Document &document);
/// The fixes that the messages in `range` offer.
std::vector<protocol::CodeAction> actionsAt(const Document &document, protocol::Range range);

// Completion.cpp
protocol::CompletionList completionsAt(const Document &document, protocol::Position position);

// Hover.cpp
std::optional<protocol::Hover> hoverAt(const Document &document, protocol::Position position);
/// The shape behind each layer and each use of a block.
std::vector<protocol::InlayHint> hintsIn(const Document &document, protocol::Range range);

// Outline.cpp
std::vector<protocol::Location> definitionsAt(const Document &document, protocol::Position position);
std::vector<protocol::DocumentSymbol> symbolsOf(const Document &document);
/// What cnnc fmt would change, as one edit; none where the text cannot be parsed.
std::vector<protocol::TextEdit> formatOf(const Document &document);

// Words.cpp
/// What a layer, a statement or an entry is for, in a sentence or two; empty: unknown.
std::string summaryOf(const std::string &word);
/// "conv(filters, kernel, stride=1, ...)"; empty: there is no such layer, block, activation, optimiser or schedule.
std::string signatureOf(const std::string &name, const Definitions &definitions);
/// The source text of an expression, cut where it is long.
std::string sourceOf(const ast::Expr &e);

} // namespace cnnc
