// The diagnostics engine: collects reports, drops repetitions, counts.
// In: reports.  Out: Diagnostic objects; Render.cpp and RenderJson.cpp print them.
#include "compiler/support/Diagnostics.h"
#include "compiler/support/Spelling.h"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace cnnc {

static const DiagnosticInfo table[] = {
#define DIAGNOSTIC(name, code, severity, text) {code, Severity::severity, text, #name},
#include "compiler/support/Diagnostics.def"
#undef DIAGNOSTIC
};

const DiagnosticInfo &info(Diag id) { return table[size_t(id)]; }

std::string warningName(Diag id) {
  std::string name;
  for (const char *c = info(id).name; *c; ++c) {
    if (std::isupper(static_cast<unsigned char>(*c)) && !name.empty())
      name += '-';
    name += char(std::tolower(static_cast<unsigned char>(*c)));
  }
  return name;
}

std::vector<std::string> warningNames() {
  std::vector<std::string> names;
  for (size_t id = 0; id < std::size(table); ++id)
    if (table[id].severity == Severity::Warning)
      names.push_back(warningName(Diag(id)));
  return names;
}

bool onlyOnRequest(Diag id) { return id == Diag::BiasBeforeNorm; }

bool DiagnosticEngine::setWarning(const std::string &option) {
  bool no = option.rfind("no-", 0) == 0;
  std::string name = option.substr(no ? 3 : 0);
  bool error = name.rfind("error", 0) == 0 && (name.size() == 5 || name[5] == '=');
  if (option == "all" || option == "none") {
    level = option == "all" ? Level::All : Level::None;
    return true;
  }
  if (name == "error") {
    warningsAreErrors = !no;
    return true;
  }
  if (error)
    name = name.substr(6);
  for (size_t i = 0; i < std::size(table); ++i) {
    Diag id = Diag(i);
    if (table[i].severity != Severity::Warning || (warningName(id) != name && table[i].code != name))
      continue;
    if (error)
      fatal[id] = !no;
    if (!error || !no)
      wanted[id] = !no;
    return true;
  }
  return false;
}

bool DiagnosticEngine::silent(Diag id) const {
  if (info(id).severity != Severity::Warning)
    return false;
  if (auto it = wanted.find(id); it != wanted.end())
    return !it->second;
  return level == Level::None || (level == Level::Usual && onlyOnRequest(id));
}

bool DiagnosticEngine::raised(Diag id) const {
  auto it = fatal.find(id);
  return it == fatal.end() ? warningsAreErrors : it->second;
}

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
  remarks.push_back({Remark::Kind::Formula, std::move(text), {}});
  return *this;
}
Diagnostic &Diagnostic::note(std::string text) {
  remarks.push_back({Remark::Kind::Note, std::move(text), {}});
  return *this;
}
Diagnostic &Diagnostic::help(std::string text) {
  remarks.push_back({Remark::Kind::Help, std::move(text), {}});
  return *this;
}

Diagnostic &Diagnostic::fix(const Span &span, std::string replacement, std::string text) {
  remarks.push_back({Remark::Kind::Help, std::move(text), {}});
  if (span.file && span.line)
    remarks.back().fixes.push_back({span, std::move(replacement)});
  return *this;
}

bool Diagnostic::suggest(const Span &span, const std::string &written, const std::vector<std::string> &known) {
  auto near = nearest(written, known);
  if (near)
    fix(span, *near, "did you mean `" + *near + "`?");
  return near.has_value();
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
  if (diagnostic.severity == Severity::Warning && raised(id))
    diagnostic.severity = Severity::Error;

  std::string key = std::string(info(id).code) + position(at) + (at.line ? "" : diagnostic.message);
  bool repeated = !seen.insert(key).second;
  // What is said of a line that cannot be read would be said of its remains.
  std::string line = at.line ? (at.file ? at.file->path : "") + ":" + std::to_string(at.line) : "";
  bool unreadable = id == Diag::UnknownCharacter || id == Diag::UnclosedString || id == Diag::Syntax;
  if (at.line && !unreadable)
    repeated |= unreadableLines.count(line) != 0;
  if (at.line && unreadable)
    unreadableLines.insert(line);
  bool quiet = silent(id);
  bool beyond = !repeated && !quiet && diagnostics.size() >= maxDiagnostics;
  if (!repeated && !quiet) {
    errorCount += diagnostic.severity == Severity::Error;
    warningCount += diagnostic.severity == Severity::Warning;
    beyondLimit += beyond;
  }
  if (repeated || quiet || beyond) {
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
