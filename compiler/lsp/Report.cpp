// Diagnostics as the protocol has them, and the fixes they offer.
// In: a document's diagnostics.  Out: JSON, code actions.
#include "compiler/lsp/Features.h"

#include <algorithm>
#include <tuple>

namespace cnnc {
namespace {

constexpr const char *severity[] = {"error", "warning"};

bool isIn(const Document &document, const Span &span) { return span.file == document.checked && span.line != 0; }

/// Where the editor draws its line: the first label of this file that is at fault.
Span placeOf(const Document &document, const cnnc::Diagnostic &d) {
  for (const auto &label : d.labels)
    if (label.primary && isIn(document, label.span))
      return label.span;
  return isIn(document, d.at) ? d.at : Span();
}

/// The first line of a message says what is wrong; the others are what the compiler prints below the source line.
std::string messageOf(const cnnc::Diagnostic &d) {
  std::string text = d.message;
  if (!d.labels.empty() && d.labels[0].primary && !d.labels[0].text.empty())
    text += "\n" + d.labels[0].text;
  for (const auto &remark : d.remarks) {
    bool help = remark.kind == cnnc::Diagnostic::Remark::Kind::Help, note = remark.kind == cnnc::Diagnostic::Remark::Kind::Note;
    text += std::string("\n") + (help ? "help: " : note ? "note: " : "") + remark.text;
  }
  return text;
}

std::optional<protocol::Location> locationOf(const Document &document, const Span &span) {
  if (!span.file || !span.line)
    return std::nullopt;
  if (isIn(document, span))
    return protocol::Location(document.uri, document.text.range(span));
  auto uri = protocol::URIForFile::fromFile(span.file->path);
  if (!uri) {
    llvm::consumeError(uri.takeError());
    return std::nullopt;
  }
  return protocol::Location(*uri, Text(span.file->text).range(span));
}

protocol::Diagnostic reportOf(const Document &document, const cnnc::Diagnostic &d) {
  protocol::Diagnostic report;
  Span place = placeOf(document, d);
  report.range = document.text.range(place);
  report.severity = d.severity == Severity::Error ? protocol::DiagnosticSeverity::Error : protocol::DiagnosticSeverity::Warning;
  report.source = "cnnc";
  report.message = messageOf(d);
  std::vector<protocol::DiagnosticRelatedInformation> related;
  auto add = [&](const Span &span, const std::string &text) {
    bool same = span.file == place.file && span.line == place.line && span.column == place.column;
    if (auto location = locationOf(document, span); location && !same)
      related.push_back({*location, text.empty() ? severity[d.severity == Severity::Warning] : text});
  };
  if (!isIn(document, d.at))
    add(d.at, d.message);
  for (const auto &label : d.labels)
    add(label.span, label.text);
  if (!related.empty())
    report.relatedInformation = std::move(related);
  return report;
}

} // namespace

std::vector<Report> reportsOf(const Document &document) {
  std::vector<Report> list;
  for (const cnnc::Diagnostic *d : document.diagnostics.sorted())
    list.push_back({reportOf(document, *d), info(d->id).code});
  return list;
}

std::vector<protocol::CodeAction> actionsAt(const Document &document, protocol::Range range) {
  std::vector<protocol::CodeAction> actions;
  for (const cnnc::Diagnostic *d : document.diagnostics.sorted()) {
    protocol::Diagnostic report = reportOf(document, *d);
    if (report.range.end < range.start || range.end < report.range.start)
      continue;
    bool preferred = true;
    for (const auto &remark : d->remarks) {
      bool here = !remark.fixes.empty() && std::all_of(remark.fixes.begin(), remark.fixes.end(), [&](auto &f) { return isIn(document, f.span); });
      if (!here)
        continue;
      protocol::CodeAction action;
      action.title = remark.text;
      action.kind = protocol::CodeAction::kQuickFix.str();
      action.diagnostics = {report};
      action.isPreferred = preferred && !remark.changesNetwork;
      preferred = false;
      protocol::WorkspaceEdit edit;
      for (const auto &fix : remark.fixes)
        edit.changes[document.uri.uri().str()].push_back({document.text.range(fix.span), fix.text});
      action.edit = std::move(edit);
      actions.push_back(std::move(action));
    }
  }
  return actions;
}

} // namespace cnnc
