// Checks on the tokens alone, before any parsing: limits, stray characters, brackets.
// In: tokens.  Out: diagnostics with positions, and whether parsing is safe.
#include "compiler/frontend/Tokens.h"
#include "compiler/frontend/Parse.h"
#include "compiler/frontend/Text.h"

#include <algorithm>
#include <map>

namespace cnnc {

Positions::Positions(std::shared_ptr<const SourceFile> file) : source(std::move(file)) {
  const std::string &text = source->text;
  for (size_t i = 0; i < text.size(); i += utf8Length(text, i))
    bytes.push_back(uint32_t(i));
  bytes.push_back(uint32_t(text.size()));
  for (size_t i = 0; i <= text.size(); ++i)
    if (i == 0 || text[i - 1] == '\n')
      lineStarts.push_back(uint32_t(i));
}

Span Positions::span(size_t first, size_t last, bool atEnd) const {
  size_t begin = byteAt(first), end = atEnd ? begin + 1 : byteAt(last + 1);
  while (atEnd && begin > 0 && std::isspace(static_cast<unsigned char>(source->text[begin - 1])))
    --begin;
  auto line = size_t(std::upper_bound(lineStarts.begin(), lineStarts.end(), uint32_t(begin)) - lineStarts.begin());
  Span span;
  span.file = source;
  span.line = uint32_t(line);
  span.column = uint32_t(begin - lineStarts[line - 1] + 1);
  size_t lineEnd = line < lineStarts.size() ? lineStarts[line] - 1 : source->text.size();
  span.length = uint32_t(std::max<size_t>(1, std::min(end, lineEnd) > begin ? std::min(end, lineEnd) - begin : 1));
  return span;
}

std::string quoted(const std::string &text) {
  constexpr size_t most = 40;
  return "`" + (text.size() > most ? text.substr(0, most) + "..." : text) + "`";
}

bool isOneOf(const std::string &text, std::initializer_list<const char *> list) {
  return std::any_of(list.begin(), list.end(), [&](const char *word) { return text == word; });
}

namespace {

class TokenChecks {
public:
  TokenChecks(const Positions &positions, DiagnosticEngine &diagnostics) : positions(positions), diagnostics(diagnostics) {}

  TokensAre check(const std::vector<Token> &tokens) {
    if (tokens.size() > maxTokens)
      return limit(tokens.back(), "at most " + std::to_string(maxTokens) + " words and signs"), TokensAre::Unusable;
    for (const Token &token : tokens)
      if (!checkToken(token, tokens))
        return TokensAre::Unusable;
    if (open.empty())
      return good ? TokensAre::Good : TokensAre::Readable;
    if (good) // a string without an end may have swallowed the bracket
      neverClosed(*open.back(), tokens);
    return TokensAre::Unusable;
  }

private:
  Span span(const Token &token) const { return positions.span(token.first, token.last, false); }
  void limit(const Token &token, const std::string &what) { diagnostics.report(Diag::TextLimit, span(token), {what}); }

  /// Where the closing bracket was forgotten: in front of the `->` or at the end of the line where the bracket opens.
  Diagnostic &neverClosed(const Token &opening, const std::vector<Token> &tokens) {
    auto &d = diagnostics.report(Diag::Bracket, span(opening), {"this " + quoted(opening.text) + " is never closed"});
    if (opening.text == "{")
      return d.label(span(opening), "its `}` is missing");
    std::string closing = opening.text == "(" ? ")" : "]";
    const Token *last = &opening;
    for (size_t i = size_t(&opening - tokens.data()) + 1; i < tokens.size(); ++i) {
      const Token &token = tokens[i];
      if (span(token).line != span(opening).line || isOneOf(token.text, {"->", "{", "}"}))
        break;
      last = &token;
    }
    Span behind = span(*last);
    behind.column += behind.length;
    behind.length = 0;
    return last == &opening ? d : d.fix(behind, closing, "close it behind " + quoted(last->text));
  }

  bool checkToken(const Token &token, const std::vector<Token> &tokens) {
    if (token.kind == Token::Kind::Unknown) {
      if (token.text == "'")
        return singleQuote(token, tokens), good = false, true;
      auto &d = diagnostics.report(Diag::UnknownCharacter, span(token), {token.text});
      if (token.text == ";")
        d.fix(span(token), "", "nothing is needed between statements: a new line or `->` will do");
      static const std::map<std::string, const char *> meant = {
          {"^", "a power is written pow(x, 2)"},       {"→", "layers are joined by `->`"},   {"×", "a size is written with the letter x: 3x3"},
          {"−", "write the minus of the keyboard, -"}, {"–", "write the minus of the keyboard, -"}, {"“", "strings stand in plain double quotes"},
          {"”", "strings stand in plain double quotes"}, {"&", "write `and`"},                   {"|", "layers are joined by `->`; the alternative is `or`"},
          {"!", "write `not`, or `!=`"}};
      if (auto help = meant.find(token.text); help != meant.end())
        d.help(help->second);
      return good = false, true;
    }
    if (token.kind == Token::Kind::UnclosedString) {
      diagnostics.report(Diag::UnclosedString, span(token)).help("close it with `\"` on the same line");
      return good = false, true;
    }
    if (token.kind == Token::Kind::Identifier && token.text.size() > maxIdentifier) {
      limit(token, "names have at most " + std::to_string(maxIdentifier) + " characters");
      return false;
    }
    return checkBracket(token, tokens) && checkLength(token);
  }

  /// One message for a pair of them.
  void singleQuote(const Token &token, const std::vector<Token> &tokens) {
    if (token.first < quotedUntil)
      return;
    auto &d = diagnostics.report(Diag::UnknownCharacter, span(token), {token.text});
    auto isEnd = [&](const Token &other) { return other.text == "'" || span(other).line != span(token).line; };
    auto end = std::find_if(tokens.begin() + (&token - tokens.data()) + 1, tokens.end(), isEnd);
    if (end == tokens.end() || end->text != "'" || span(*end).line != span(token).line) {
      d.help("strings stand in double quotes");
      return;
    }
    quotedUntil = end->first + 1;
    d.fix(span(token), "\"", "strings stand in double quotes");
    d.remarks.back().fixes.push_back({span(*end), "\""});
  }

  bool checkBracket(const Token &token, const std::vector<Token> &tokens) {
    const std::string &text = token.text;
    if (isOneOf(text, {"(", "[", "{"})) {
      open.push_back(&token);
      if (open.size() > maxBracketDepth)
        return limit(token, "brackets may be nested " + std::to_string(maxBracketDepth) + " deep"), false;
    } else if (isOneOf(text, {")", "]", "}"})) {
      if (open.empty()) {
        diagnostics.report(Diag::Bracket, span(token), {"this " + quoted(text) + " closes nothing"});
        return false;
      }
      const Token &opening = *open.back();
      std::string expected = opening.text == "(" ? ")" : opening.text == "[" ? "]" : "}";
      if (text != expected) {
        neverClosed(opening, tokens).secondary(span(token), "found `" + text + "` where `" + expected + "` was still missing");
        return false;
      }
      open.pop_back();
    }
    return true;
  }

  bool checkLength(const Token &token) {
    if (isOneOf(token.text, {"{", "}", "=", "->", ","}))
      operators = 0;
    else if (isOneOf(token.text, {"+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or", "not", "if", "else"}))
      ++operators;
    if (operators > maxOperators)
      return limit(token, "an expression has at most " + std::to_string(maxOperators) + " operators"), false;
    return true;
  }

  const Positions &positions;
  DiagnosticEngine &diagnostics;
  std::vector<const Token *> open;
  size_t operators = 0, quotedUntil = 0;
  bool good = true;
};

} // namespace

TokensAre checkTokens(const std::vector<Token> &tokens, const Positions &positions, DiagnosticEngine &diagnostics) {
  return TokenChecks(positions, diagnostics).check(tokens);
}

} // namespace cnnc
