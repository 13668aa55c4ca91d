// Prints diagnostics as JSON, one object a line, for editors and scripts (--message-format=json).
// In: the engine's diagnostics.  Out: lines {"code", "severity", "message", "file", "line", "column", "length", "labels", "remarks"}; a remark of kind help has
// "fixes": [{file, line, column, length, "replacement"}] where a machine may carry it out, and "changes_network" where a network that is right
// computes something else afterwards.
#include "compiler/support/Diagnostics.h"
#include "compiler/support/Json.h"

namespace cnnc {

static std::string spanFields(const Span &span) {
  return "\"file\":" + jsonString(span.file ? span.file->path : "") + ",\"line\":" + std::to_string(span.line) +
         ",\"column\":" + std::to_string(span.column) + ",\"length\":" + std::to_string(span.length);
}

std::string DiagnosticEngine::renderJson() const {
  std::string out;
  for (const Diagnostic *diagnostic : sorted()) {
    out += std::string("{\"code\":\"") + info(diagnostic->id).code + "\",\"severity\":\"" +
           (diagnostic->severity == Severity::Error ? "error" : "warning") + "\",\"message\":" + jsonString(diagnostic->message) + "," +
           spanFields(diagnostic->at) + ",\"labels\":[";
    const char *separator = "";
    for (const Diagnostic::Label &label : diagnostic->labels) {
      out += std::string(separator) + "{" + spanFields(label.span) + ",\"primary\":" + (label.primary ? "true" : "false") +
             ",\"text\":" + jsonString(label.text) + "}";
      separator = ",";
    }
    out += "],\"remarks\":[";
    separator = "";
    for (const Diagnostic::Remark &remark : diagnostic->remarks) {
      const char *kind = remark.kind == Diagnostic::Remark::Kind::Help ? "help" : remark.kind == Diagnostic::Remark::Kind::Note ? "note" : "formula";
      out += std::string(separator) + "{\"kind\":\"" + kind + "\",\"text\":" + jsonString(remark.text);
      for (const Diagnostic::Fix &fix : remark.fixes)
        out += (&fix == &remark.fixes.front() ? ",\"fixes\":[{" : ",{") + spanFields(fix.span) + ",\"replacement\":" + jsonString(fix.text) + "}";
      out += std::string(remark.fixes.empty() ? "" : "]") + (remark.changesNetwork ? ",\"changes_network\":true}" : "}");
      separator = ",";
    }
    out += "]}\n";
  }
  return out;
}

} // namespace cnnc
