// Prints diagnostics as text: header, source lines with the spans underlined, remarks, and the count at the end.
// In: the engine's diagnostics.  Out: the text; tabs are shown as spaces, UTF-8 is counted in characters, control bytes as '?'.
#include "compiler/support/Diagnostics.h"

#include <algorithm>
#include <map>

namespace cnnc {
namespace {

constexpr size_t tabWidth = 4;
constexpr size_t maxLineWidth = 160; ///< longer lines are cut, so that a hostile file cannot flood the terminal

struct Paint {
  bool on;
  std::string operator()(const char *code, const std::string &text) const {
    return on ? std::string("\033[") + code + "m" + text + "\033[0m" : text;
  }
};
constexpr const char *boldRed = "1;31", *boldYellow = "1;33", *boldBlue = "1;34", *bold = "1", *boldGreen = "1;32";

/// A source line as it is shown, and for each byte of the original the column where it stands.
struct ShownLine {
  std::string text;
  std::vector<size_t> columnOfByte;
};

ShownLine show(const std::string &line) {
  ShownLine shown;
  size_t column = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    auto c = static_cast<unsigned char>(line[i]);
    shown.columnOfByte.push_back(column);
    if (c == '\t') {
      size_t width = tabWidth - column % tabWidth;
      shown.text.append(width, ' ');
      column += width;
    } else if ((c & 0xC0) == 0x80) { // continues a UTF-8 character
      shown.text += char(c);
      shown.columnOfByte.back() = column ? column - 1 : 0;
    } else {
      shown.text += c < 0x20 || c == 0x7F ? '?' : char(c);
      ++column;
    }
  }
  shown.columnOfByte.push_back(column);
  return shown;
}

std::string number(uint32_t line, size_t width) {
  std::string text = line ? std::to_string(line) : "";
  return std::string(width - text.size(), ' ') + text;
}

void printLine(std::string &out, const SourceFile &file, uint32_t line, std::vector<const Diagnostic::Label *> labels, size_t gutter,
               const Paint &paint, const char *color) {
  ShownLine shown = show(lineText(file, line));
  auto columnAt = [&](size_t byte) { return shown.columnOfByte[std::min(byte, shown.columnOfByte.size() - 1)]; };
  // A window of the line around the first label where the line is very long.
  size_t skip = 0;
  size_t first = columnAt(labels.front()->span.column - 1);
  bool ascii = std::all_of(shown.text.begin(), shown.text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (shown.text.size() > maxLineWidth && ascii) {
    skip = first > maxLineWidth / 2 ? first - maxLineWidth / 2 : 0;
    shown.text = shown.text.substr(std::min(skip, shown.text.size()), maxLineWidth);
  }
  out += paint(boldBlue, number(line, gutter) + " |") + " " + shown.text + "\n";
  std::stable_sort(labels.begin(), labels.end(), [](auto *a, auto *b) { return a->span.column > b->span.column; });
  for (const Diagnostic::Label *label : labels) {
    size_t begin = columnAt(label->span.column - 1);
    size_t end = std::max(columnAt(label->span.column - 1 + label->span.length), begin + 1);
    begin = begin > skip ? std::min(begin - skip, maxLineWidth) : 0;
    end = std::min(end > skip ? end - skip : 1, std::max(begin + 1, maxLineWidth));
    std::string marks(end - begin, label->primary ? '^' : '-');
    out += paint(boldBlue, number(0, gutter) + " |") + " " + std::string(begin, ' ') +
           paint(label->primary ? color : boldBlue, marks + (label->text.empty() ? "" : " " + label->text)) + "\n";
  }
}

void printSnippets(std::string &out, const Diagnostic &diagnostic, const Paint &paint, const char *color) {
  std::vector<Diagnostic::Label> labels = diagnostic.labels;
  bool anyPrimary = std::any_of(labels.begin(), labels.end(), [](auto &l) { return l.primary; });
  if (!anyPrimary)
    labels.insert(labels.begin(), {diagnostic.at, "", true});
  labels.erase(std::remove_if(labels.begin(), labels.end(), [](auto &l) { return !l.span.file || !l.span.line; }), labels.end());

  // Group by file, then by line; the file of `at` first.
  std::vector<std::pair<std::shared_ptr<const SourceFile>, std::map<uint32_t, std::vector<const Diagnostic::Label *>>>> files;
  if (diagnostic.at.file)
    files.push_back({diagnostic.at.file, {}});
  size_t gutter = 1;
  for (const Diagnostic::Label &label : labels) {
    auto it = std::find_if(files.begin(), files.end(), [&](auto &f) { return f.first == label.span.file; });
    if (it == files.end())
      it = files.insert(files.end(), {label.span.file, {}});
    it->second[label.span.line].push_back(&label);
    gutter = std::max(gutter, std::to_string(label.span.line).size());
  }
  for (size_t f = 0; f < files.size(); ++f) {
    std::string where = f == 0 ? position(diagnostic.at) : position(files[f].second.begin()->second.front()->span);
    out += std::string(gutter, ' ') + paint(boldBlue, f == 0 ? "-->" : ":::") + " " + where + "\n";
    if (files[f].second.empty())
      continue;
    out += paint(boldBlue, number(0, gutter) + " |") + "\n";
    uint32_t last = 0;
    for (auto &[line, list] : files[f].second) {
      if (last && line > last + 1)
        out += paint(boldBlue, "...") + "\n";
      printLine(out, *files[f].first, line, list, gutter, paint, color);
      last = line;
    }
  }
  if (!diagnostic.remarks.empty() && !files.empty() && !files[0].second.empty())
    out += paint(boldBlue, number(0, gutter) + " |") + "\n";
  for (const Diagnostic::Remark &remark : diagnostic.remarks) {
    std::string head = remark.kind == Diagnostic::Remark::Kind::Help   ? paint(boldGreen, "help: ")
                       : remark.kind == Diagnostic::Remark::Kind::Note ? paint(bold, "note: ")
                                                                       : "";
    out += std::string(gutter + 1, ' ') + paint(boldBlue, "=") + " " + head + remark.text + "\n";
  }
}

} // namespace

std::string DiagnosticEngine::render(const RenderOptions &options) const {
  std::string out;
  Paint paint{options.color};
  for (const Diagnostic *diagnostic : sorted()) {
    bool error = diagnostic->severity == Severity::Error;
    const char *color = error ? boldRed : boldYellow;
    out += paint(color, std::string(error ? "error" : "warning") + "[" + info(diagnostic->id).code + "]") +
           paint(bold, ": " + diagnostic->message) + "\n";
    printSnippets(out, *diagnostic, paint, color);
    out += "\n";
  }
  if (out.empty())
    return out;
  std::string count = errorCount ? plural(errorCount, "error") : "";
  if (warningCount)
    count += (count.empty() ? "" : ", ") + plural(warningCount, "warning");
  if (beyondLimit)
    count += " (only the first " + std::to_string(maxDiagnostics) + " are shown)";
  out += paint(errorCount ? boldRed : boldYellow, errorCount ? "error" : "warning") + paint(bold, ": " + count) + "\n";
  return out;
}

} // namespace cnnc
