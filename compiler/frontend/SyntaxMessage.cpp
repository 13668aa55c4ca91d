// The wording of syntax errors.
// In: what was found and what was expected.  Out: a diagnostic with the mend of the usual slips.
#include "compiler/frontend/SyntaxMessage.h"
#include "compiler/frontend/Tokens.h"

#include <algorithm>
#include <cstring>

namespace cnnc {
namespace {

const std::vector<std::string> definitionWords = {"import", "param", "network", "block", "data", "train", "tune", "activation", "optimizer", "schedule"};

bool inLayers(const std::string &rule) { return isOneOf(rule, {"layers", "pipeline", "step", "layer"}); }

/// "`)` or `,`", "a layer or `}`"
std::string expectedInWords(const Unexpected &u) {
  std::vector<std::string> words;
  if (u.value)
    words.push_back("a value");
  else if (u.name)
    words.push_back(inLayers(u.rule) ? "a layer" : "a name");
  std::vector<std::string> signs = u.signs;
  std::stable_partition(signs.begin(), signs.end(), [](auto &sign) { return !sign.empty(); });
  for (const std::string &sign : signs) {
    bool isWord = !sign.empty() && std::isalpha(static_cast<unsigned char>(sign[0]));
    bool isOperator = isOneOf(sign, {"+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or", "if", "not", "."});
    if ((u.value && (isWord || isOneOf(sign, {"(", "[", "-"}))) || (u.name && isWord) || isOperator)
      continue;
    words.push_back(sign.empty() ? "the end of the file" : "`" + sign + "`");
  }
  if (words.empty())
    return "";
  constexpr size_t most = 5;
  if (words.size() > most && !u.name && !u.value && u.rule != "file")
    return "expected one of " + words[0] + ", " + words[1] + ", " + words[2] + "...";
  std::string text = "expected ";
  for (size_t i = 0; i < words.size(); ++i)
    text += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
  return text;
}

/// Does the text end in `word`, and in it as a whole word?
bool endsIn(const std::string &text, const std::string &word, bool whole = true) {
  bool ends = text.size() >= word.size() && text.compare(text.size() - word.size(), word.size(), word) == 0;
  return ends && (!whole || text.size() == word.size() || std::strchr(" \t}{", text[text.size() - word.size() - 1]));
}

std::string lastWord(const std::string &text) {
  size_t begin = text.size();
  while (begin > 0 && (std::isalnum(static_cast<unsigned char>(text[begin - 1])) || text[begin - 1] == '_'))
    --begin;
  return text.substr(begin);
}

/// The form of the structure whose header stands in front; null: there is none, or it is well known.
const char *formOf(const Unexpected &u, const std::string &before) {
  static const std::pair<const char *, const char *> forms[] = {
      {"for", "a loop is written `for NAME in LIST { ... }`, as in: for width in [16, 32] { conv(width, 3x3) }"},
      {"repeat", "it is written `repeat NUMBER { ... }`, as in: repeat 3 { conv(16, 3x3) -> relu }"},
      {"else", "it is written `else { ... }` or `else if CONDITION { ... }`"},
      {"if", "it is written `if CONDITION { ... } else { ... }`, with `==`, `<`, `and`, `or`, `not`"}};
  for (const auto &[word, form] : forms) {
    size_t at = before.rfind(word);
    bool whole = at != std::string::npos && (at == 0 || std::isspace(static_cast<unsigned char>(before[at - 1]))) &&
                 at + std::strlen(word) < before.size() && std::isspace(static_cast<unsigned char>(before[at + std::strlen(word)]));
    if (whole && before.find_first_of("{}", at) == std::string::npos && before.find("->", at) == std::string::npos)
      return form;
  }
  return nullptr;
}

} // namespace

void reportSyntax(const Unexpected &u, const Span &span, DiagnosticEngine &diagnostics) {
  std::string line = span.file ? lineText(*span.file, span.line) : "", before = line.substr(0, span.column ? span.column - 1 : 0);
  before.erase(before.find_last_not_of(" \t") + 1);
  std::string expected = endsIn(before, "for") ? "expected a name" : endsIn(before, "else") ? "expected `{` or `if`"
                         : u.rule == "importFile"  ? "expected the name of a file"
                                                   : expectedInWords(u);
  auto &d = diagnostics.report(Diag::Syntax, span, {u.text.empty() ? "end of file" : quoted(u.text)}).label(span, expected);
  bool arrow = u.text == "=" && line.compare(std::min<size_t>(span.column, line.size()), 1, ">") == 0;
  bool expectsColon = std::find(u.signs.begin(), u.signs.end(), ":") != u.signs.end();
  std::string after = span.column ? line.substr(std::min<size_t>(line.size(), span.column - 1 + span.length)) : "";
  bool outside = isOneOf(u.rule, {"file", "definition"});
  bool assigns = after.find_first_not_of(" \t") != std::string::npos && after[after.find_first_not_of(" \t")] == '=';
  if (u.text == "//" && (outside || inLayers(u.rule)))
    d.fix(span, "#", "a comment begins with `#`");
  else if (outside && u.isName && assigns)
    d.fix(span, "param " + u.text, "a constant is named with `param`");
  else if (u.text == "*" && endsIn(before, "*", false))
    d.help("a power is written pow(x, 3)");
  else if (isOneOf(u.text, {"+", "-", "*", "/"}) && u.signs == std::vector<std::string>{"="} && after.rfind("=", 0) == 0)
    d.help("write it in full: " + lastWord(before) + " = " + lastWord(before) + " " + u.text + " ...");
  else if (u.rule == "importFile" && u.isName)
    d.fix(span, "\"" + u.text + ".cnn\"", "a file stands in double quotes");
  else if (outside && u.isName)
    d.suggest(span, u.text, definitionWords);
  else if (inLayers(u.rule) && (arrow || isOneOf(u.text, {"-", ",", "|"}))) {
    Span whole = span;
    whole.length += arrow;
    bool spaced = whole.column > 1 && whole.column - 2 < line.size() && line[whole.column - 2] == ' ';
    d.fix(whole, spaced ? "->" : " ->", "layers are joined by `->` or by a new line");
  } else if (u.text == "=" && u.signs == std::vector<std::string>{"{"} && line.substr(0, span.column).find("if ") != std::string::npos)
    d.fix(span, "==", "a comparison is written `==`");
  else if (isOneOf(u.rule, {"entry", "train"}) && before.find("load \"") != std::string::npos)
    d.help("it is written `load \"FILE\"` or `load \"FILE\" for PART`, one part a line, as in: load \"stem.safetensors\" for stem");
  else if (const char *form = formOf(u, line.substr(0, span.column)))
    d.help(form);
  else if (u.signs == std::vector<std::string>{"{"} && u.rule == "layers")
    d.help("layers stand in braces: { input(3, 32, 32) ... }");
  else if (inLayers(u.rule) && !u.text.empty() && (std::isdigit(static_cast<unsigned char>(u.text[0])) || u.text[0] == '"'))
    d.help("arguments stand in parentheses, with commas between them: conv(32, 3x3)");
  else if (u.text == "=" && (inLayers(u.rule) || expectsColon))
    d.help("a constant is named outside of the network with `param`, a map inside with `let`, and a layer by `name: layer`");
  else if (u.text == ":" && isOneOf(u.rule, {"entry", "data", "train", "tune"}))
    d.fix(span, " =", "an entry is written `name = value`");
  else if (u.text == "," && isOneOf(u.rule, {"entry", "data", "train", "tune"}))
    d.fix(span, "", "nothing stands between entries: a new line or a space will do");
}

} // namespace cnnc
