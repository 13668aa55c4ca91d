// The diagnostics engine: collects reports, drops repetitions, counts.
// In: reports.  Out: Diagnostic objects; Render.cpp and RenderJson.cpp print them.
#include "compiler/support/Diagnostics.h"

#include <algorithm>
#include <tuple>

namespace cnnc {

static const DiagnosticInfo table[] = {
#define DIAGNOSTIC(name, code, severity, text) {code, Severity::severity, text},
#include "compiler/support/Diagnostics.def"
#undef DIAGNOSTIC
};

const DiagnosticInfo &info(Diag id) { return table[size_t(id)]; }

std::vector<std::string> allCodes() {
  std::vector<std::string> codes;
  for (const DiagnosticInfo &entry : table)
    codes.push_back(entry.code);
  return codes;
}

Diagnostic &Diagnostic::label(const Span &span, std::string text) {
  labels.push_back({span, std::move(text), true});
  return *this;
}
Diagnostic &Diagnostic::secondary(const Span &span, std::string text) {
  labels.push_back({span, std::move(text), false});
  return *this;
}
Diagnostic &Diagnostic::formula(std::string text) {
  remarks.push_back({Remark::Kind::Formula, std::move(text)});
  return *this;
}
Diagnostic &Diagnostic::note(std::string text) {
  remarks.push_back({Remark::Kind::Note, std::move(text)});
  return *this;
}
Diagnostic &Diagnostic::help(std::string text) {
  remarks.push_back({Remark::Kind::Help, std::move(text)});
  return *this;
}

static std::string fill(const std::string &pattern, const std::vector<std::string> &arguments) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '{' && i + 2 < pattern.size() && pattern[i + 2] == '}' && size_t(pattern[i + 1] - '0') < arguments.size()) {
      out += arguments[size_t(pattern[i + 1] - '0')];
      i += 2;
    } else {
      out += pattern[i];
    }
  }
  return out;
}

Diagnostic &DiagnosticEngine::report(Diag id, const Span &at, const std::vector<std::string> &arguments) {
  Diagnostic diagnostic;
  diagnostic.id = id;
  diagnostic.severity = info(id).severity;
  diagnostic.message = fill(info(id).text, arguments);
  diagnostic.at = at;
  if (diagnostic.severity == Severity::Warning && warningsAreErrors)
    diagnostic.severity = Severity::Error;

  std::string key = std::string(info(id).code) + position(at) + (at.line ? "" : diagnostic.message);
  bool repeated = !seen.insert(key).second;
  bool silent = info(id).severity == Severity::Warning && !warningsEnabled;
  bool beyond = !repeated && !silent && diagnostics.size() >= maxDiagnostics;
  if (!repeated && !silent) {
    errorCount += diagnostic.severity == Severity::Error;
    warningCount += diagnostic.severity == Severity::Warning;
    beyondLimit += beyond;
  }
  if (repeated || silent || beyond) {
    swallowed.assign(1, std::move(diagnostic));
    return swallowed.back();
  }
  diagnostics.push_back(std::move(diagnostic));
  return diagnostics.back();
}

int DiagnosticEngine::exitCode() const {
  int code = 0;
  for (const Diagnostic &diagnostic : diagnostics) {
    if (diagnostic.severity != Severity::Error)
      continue;
    char area = info(diagnostic.id).code[2];
    code = std::max(code, area == '9' ? 3 : area == '5' ? 2 : 1);
  }
  return code;
}

std::vector<const Diagnostic *> DiagnosticEngine::sorted() const {
  std::vector<const Diagnostic *> list;
  for (const Diagnostic &diagnostic : diagnostics)
    list.push_back(&diagnostic);
  auto key = [](const Diagnostic *d) {
    return std::make_tuple(d->at.file ? d->at.file->path : std::string(), d->at.line, d->at.column);
  };
  std::stable_sort(list.begin(), list.end(), [&](auto *a, auto *b) { return key(a) < key(b); });
  return list;
}

std::string plural(size_t n, const std::string &noun) { return std::to_string(n) + " " + noun + (n == 1 ? "" : "s"); }

} // namespace cnnc
