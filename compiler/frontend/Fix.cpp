// Fixes are applied one after the other, each to a text that has been checked.
// In: a source file.  Out: Fixed.
#include "compiler/frontend/Fix.h"

#include <algorithm>
#include <set>
#include <sstream>

namespace cnnc {
namespace {

constexpr size_t mostRounds = DiagnosticEngine::maxDiagnostics;

std::vector<std::string> linesOf(const std::string &text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

size_t offsetOf(const std::string &text, const Span &span) {
  size_t at = 0;
  for (uint32_t line = 1; line < span.line; ++line)
    at = text.find('\n', at) + 1;
  return at + span.column - 1;
}

std::string applied(std::string text, std::vector<Diagnostic::Fix> fixes) {
  std::sort(fixes.begin(), fixes.end(), [](auto &a, auto &b) { return std::make_pair(a.span.line, a.span.column) > std::make_pair(b.span.line, b.span.column); });
  for (const Diagnostic::Fix &fix : fixes)
    text.replace(offsetOf(text, fix.span), fix.span.length, fix.text);
  return text;
}

const Diagnostic::Remark *fixOf(const Diagnostic &d, const std::shared_ptr<const SourceFile> &source) {
  for (const Diagnostic::Remark &remark : d.remarks) {
    bool here = !remark.fixes.empty() && std::all_of(remark.fixes.begin(), remark.fixes.end(), [&](auto &f) { return f.span.file == source; });
    if (here && !remark.changesNetwork)
      return &remark;
  }
  return nullptr;
}

} // namespace

Fixed applyFixes(const std::shared_ptr<const SourceFile> &source, const FrontendOptions &options, const DiagnosticEngine &settings) {
  Fixed fixed{source->text, {}};
  std::set<std::string> failed; // what has been taken back
  auto checked = [&](const std::string &text, DiagnosticEngine &diagnostics) {
    auto file = std::make_shared<SourceFile>(SourceFile{source->path, text});
    check(file, options, diagnostics);
    return file;
  };
  for (size_t round = 0; round < mostRounds; ++round) {
    DiagnosticEngine before = settings;
    auto file = checked(fixed.text, before);
    bool changed = false;
    for (const Diagnostic *d : before.sorted()) {
      const Diagnostic::Remark *remark = fixOf(*d, file);
      std::string key = remark ? position(d->at) + remark->text : "";
      if (!remark || failed.count(key))
        continue;
      std::string text = applied(fixed.text, remark->fixes);
      DiagnosticEngine after = settings;
      checked(text, after);
      // What a mistake has hidden may come to light: it must be gone, and nothing may stand where it stood.
      auto said = after.sorted();
      bool stays = std::any_of(said.begin(), said.end(), [&](auto *o) { return o->id == d->id && o->at.line == d->at.line && o->at.column == d->at.column; });
      if (stays) {
        failed.insert(key);
        continue;
      }
      fixed.text = text;
      fixed.done.push_back(position(d->at) + ": " + remark->text);
      changed = true;
      break;
    }
    if (!changed)
      break;
  }
  return fixed;
}

std::string lineDifference(const std::string &path, const std::string &before, const std::string &after) {
  std::vector<std::string> a = linesOf(before), b = linesOf(after);
  std::string out;
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) { // no fix makes or joins lines
    bool same = i < a.size() && i < b.size() && a[i] == b[i];
    if (same)
      continue;
    std::string number = std::to_string(i + 1);
    out += "@@ -" + number + " +" + number + " @@\n";
    out += i < a.size() ? "-" + a[i] + "\n" : "";
    out += i < b.size() ? "+" + b[i] + "\n" : "";
  }
  return out.empty() ? out : "--- " + path + "\n+++ " + path + "\n" + out;
}

} // namespace cnnc
