// The formatter: the text is cut into words, signs and comments, and put together with its spaces set anew.
// In: a source file that parses.  Out: the same tokens in the same lines.
#include "compiler/frontend/Format.h"
#include "compiler/frontend/BigStack.h"
#include "compiler/frontend/Parse.h"
#include "compiler/frontend/Tokens.h"

#include <algorithm>

namespace cnnc {
namespace {

struct Piece {
  std::string text;
  size_t spaces = 0; ///< in front of it, in its line
};
using Line = std::vector<Piece>;

bool isWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; }

size_t pieceLength(const std::string &line, size_t i) {
  size_t end = i + 1;
  if (line[i] == '#')
    return line.find_last_not_of(" \t\r") + 1 - i;
  if (line[i] == '"') {
    while (end < line.size() && line[end] != '"')
      end += line[end] == '\\' ? 2 : 1;
    return std::min(end + 1, line.size()) - i;
  }
  if (isWord(line[i])) {
    bool number = std::isdigit(static_cast<unsigned char>(line[i])) || line[i] == '.';
    while (end < line.size() && (isWord(line[end]) || (number && (line[end] == '-' || line[end] == '+') && (line[end - 1] == 'e' || line[end - 1] == 'E'))))
      ++end;
    return end - i;
  }
  return isOneOf(line.substr(i, 2), {"->", "//", "<=", ">=", "==", "!="}) ? 2 : 1;
}

Line cut(const std::string &line) {
  Line pieces;
  size_t spaces = 0;
  for (size_t i = 0; i < line.size();) {
    if (line[i] == ' ' || line[i] == '\t' || line[i] == '\r') {
      ++spaces, ++i;
      continue;
    }
    size_t length = pieceLength(line, i);
    pieces.push_back({line.substr(i, length), spaces});
    spaces = 0;
    i += length;
  }
  return pieces;
}

bool opens(const std::string &text) { return isOneOf(text, {"(", "[", "{"}); }
bool closes(const std::string &text) { return isOneOf(text, {")", "]", "}"}); }
bool isBinary(const std::string &text) {
  return isOneOf(text, {"+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or", "if", "else", "->", "="});
}
/// After these a `-` is a sign, not an operation.
bool expectsValue(const std::string &text) { return text.empty() || opens(text) || text == "," || isBinary(text) || text == "not"; }

class Formatter {
public:
  std::string format(const std::string &text) {
    for (size_t begin = 0; begin < text.size();) {
      size_t end = std::min(text.find('\n', begin), text.size());
      line(cut(text.substr(begin, end - begin)));
      begin = end + 1;
    }
    return out;
  }

private:
  void line(const Line &pieces) {
    if (pieces.empty()) {
      blank = !out.empty();
      return;
    }
    if (blank && !closes(pieces[0].text))
      out += '\n';
    blank = false;
    size_t closing = 0;
    while (closing < pieces.size() && closing < open.size() && closes(pieces[closing].text))
      ++closing;
    bool comment = pieces[0].text[0] == '#';
    bool goesOn = !comment && closing == 0 && (inArguments() || isBinary(pieces[0].text) || (!last.empty() && isBinary(last)));
    std::string text(2 * (open.size() - closing) + (goesOn && !inArguments() ? 2 : 0), ' ');
    std::string before;
    for (const Piece &piece : pieces) {
      if (!before.empty())
        text += std::string(gap(before, piece), ' ');
      text += piece.text;
      if (piece.text[0] == '#')
        break;
      step(piece.text);
      before = piece.text;
    }
    out += text + "\n";
  }

  void step(const std::string &text) {
    sign = text == "-" && expectsValue(last);
    if (opens(text))
      open.push_back(text);
    else if (closes(text) && !open.empty())
      open.pop_back();
    last = text;
  }

  bool inArguments() const { return !open.empty() && open.back() != "{"; }

  size_t gap(const std::string &before, const Piece &piece) const {
    const std::string &text = piece.text;
    if (text[0] == '#')
      return std::max<size_t>(piece.spaces, 2);
    if (before == "(" || before == "[" || text == ")" || text == "]" || text == "," || text == ":" || before == "." || text == ".")
      return 0;
    if (sign)
      return 0;
    if (before == "," || before == ":" || before == "->" || text == "->" || text == "{" || before == "{" || text == "}")
      return 1;
    if (text == "=" || before == "=")
      return inArguments() ? 0 : text == "=" ? std::max<size_t>(piece.spaces, 1) : 1;
    if (text == "(")
      return isOneOf(before, {"if", "else", "in", "and", "or", "not", "repeat", "shortcut"}) || (isBinary(before) && piece.spaces) ? 1 : 0;
    if ((before == "load" && text[0] == '"') || (text == "for" && before[0] == '"'))
      return 1;
    if (isOneOf(before, {"import", "param", "network", "block", "activation", "optimizer", "schedule", "state", "let", "for", "repeat", "branch", "in"}))
      return 1;
    return std::min<size_t>(piece.spaces, open.empty() || open.back() == "{" ? 2 : 1);
  }

  std::string out, last; ///< last: the sign or word before, in whatever line
  std::vector<std::string> open;
  bool blank = false, sign = false;
};

std::string withoutSpaces(const std::string &text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out), [](unsigned char c) { return !std::isspace(c); });
  return out;
}

} // namespace

std::optional<std::string> formatSource(const std::shared_ptr<const SourceFile> &source, DiagnosticEngine &diagnostics) {
  bool good = false;
  onBigStack([&] { good = parse(source, diagnostics).has_value(); });
  if (!good || diagnostics.hasErrors())
    return std::nullopt;
  std::string text = Formatter().format(source->text);
  return withoutSpaces(text) == withoutSpaces(source->text) ? text : source->text; // never anything but spaces
}

} // namespace cnnc
