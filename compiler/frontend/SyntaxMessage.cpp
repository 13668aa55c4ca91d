// The wording of syntax errors.
// In: what was found and what was expected.  Out: a diagnostic with the mend of the usual slips.
#include "compiler/frontend/SyntaxMessage.h"
#include "compiler/frontend/Tokens.h"

#include <algorithm>

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
  for (const std::string &sign : u.signs) {
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

} // namespace

void reportSyntax(const Unexpected &u, const Span &span, DiagnosticEngine &diagnostics) {
  auto &d = diagnostics.report(Diag::Syntax, span, {u.text.empty() ? "end of file" : quoted(u.text)}).label(span, expectedInWords(u));
  bool expectsColon = std::find(u.signs.begin(), u.signs.end(), ":") != u.signs.end();
  if (isOneOf(u.rule, {"file", "definition"}) && u.isName)
    d.suggest(span, u.text, definitionWords);
  else if (u.text == "=" && (inLayers(u.rule) || expectsColon))
    d.help("a constant is named outside of the network with `param`, a map inside with `let`, and a layer by `name: layer`");
  else if (inLayers(u.rule) && isOneOf(u.text, {",", "|"}))
    d.fix(span, "->", "layers are joined by `->` or by a new line");
  else if (u.text == ":" && isOneOf(u.rule, {"entry", "data", "train", "tune"}))
    d.fix(span, " =", "an entry is written `name = value`");
  else if (u.text == "," && isOneOf(u.rule, {"entry", "data", "train", "tune"}))
    d.fix(span, "", "nothing stands between entries: a new line or a space will do");
}

} // namespace cnnc
