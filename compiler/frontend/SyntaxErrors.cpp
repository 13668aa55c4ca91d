// What is said of syntax errors, and where the parser goes on behind them.
// In: ANTLR's parser at a token that no rule accepts.  Out: diagnostics; the parser behind the mistake.
#include "compiler/frontend/SyntaxErrors.h"
#include "compiler/frontend/SyntaxMessage.h"
#include "compiler/frontend/Tokens.h"

namespace cnnc {
namespace {

using AntlrToken = antlr4::Token;

/// What the parser would have taken.
Unexpected unexpected(antlr4::Parser *parser, const AntlrToken *token) {
  Unexpected u;
  u.text = token->getType() == AntlrToken::EOF ? "" : token->getText();
  u.isName = token->getType() == CnnParser::IDENTIFIER;
  u.rule = parser->getRuleNames()[parser->getContext()->getRuleIndex()];
  try {
    antlr4::misc::IntervalSet expected = parser->getExpectedTokens();
    u.value = expected.contains(size_t(CnnParser::NUMBER));
    u.name = expected.contains(size_t(CnnParser::IDENTIFIER));
    for (ssize_t type : expected.toList()) {
      std::string literal = type == ssize_t(AntlrToken::EOF) ? "" : parser->getVocabulary().getLiteralName(size_t(type));
      if (type == ssize_t(AntlrToken::EOF) || !literal.empty())
        u.signs.push_back(literal.empty() ? "" : literal.substr(1, literal.size() - 2));
    }
  } catch (const std::exception &) {
    u.signs.clear();
  }
  return u;
}

bool isDefinitionRule(antlr4::Recognizer *recognizer) {
  auto *parser = dynamic_cast<antlr4::Parser *>(recognizer);
  std::string rule = parser ? parser->getRuleNames()[parser->getContext()->getRuleIndex()] : "";
  return isOneOf(rule, {"file", "definition"}) || (parser && parser->getCurrentToken()->getType() == AntlrToken::EOF);
}

/// Braces open in front of a token.
int depthAt(antlr4::Recognizer *recognizer, const AntlrToken *token) {
  auto *tokens = dynamic_cast<antlr4::BufferedTokenStream *>(recognizer->getInputStream());
  int depth = 0;
  for (size_t i = 0; tokens && i < token->getTokenIndex(); ++i)
    depth += (tokens->get(i)->getText() == "{") - (tokens->get(i)->getText() == "}");
  return depth;
}

/// A structure with a header, or a step that begins as one.
bool isStructure(antlr4::tree::ParseTree *context) {
  auto *step = dynamic_cast<CnnParser::StepContext *>(context);
  bool begun = step && step->getStart() && isOneOf(step->getStart()->getText(), {"if", "for", "repeat"});
  return begun || dynamic_cast<CnnParser::ChoiceContext *>(context) || dynamic_cast<CnnParser::ForEachContext *>(context) ||
         dynamic_cast<CnnParser::RepeatContext *>(context) || dynamic_cast<CnnParser::ShortcutContext *>(context);
}

/// Is the parser between the first word of a structure and the brace of its layers?
bool isInHeader(antlr4::Parser *parser) {
  for (antlr4::tree::ParseTree *context = parser->getContext(); context; context = context->parent) {
    bool inside = dynamic_cast<CnnParser::LayersContext *>(context) && !context->children.empty();
    if (inside)
      return false;
    if (isStructure(context))
      return true;
  }
  return false;
}

/// How many tokens the next `{` of the line is away.
std::optional<size_t> toBrace(antlr4::Parser *parser) {
  constexpr size_t longest = 200;
  auto *tokens = dynamic_cast<antlr4::CommonTokenStream *>(parser->getTokenStream());
  AntlrToken *first = parser->getCurrentToken();
  for (size_t i = first->getTokenIndex(), away = 0; tokens && away <= longest && i < tokens->size(); ++i) {
    AntlrToken *token = tokens->get(i);
    if (token->getType() == AntlrToken::EOF || token->getLine() != first->getLine() || token->getText() == "}")
      return std::nullopt;
    if (token->getText() == "{")
      return away;
    away += token->getChannel() == AntlrToken::DEFAULT_CHANNEL;
  }
  return std::nullopt;
}

} // namespace

void SyntaxErrors::syntaxError(antlr4::Recognizer *recognizer, AntlrToken *offending, size_t, size_t, const std::string &, std::exception_ptr) {
  ++count;
  bool reported = offending && (!lines.insert(offending->getLine()).second);
  // Where the parser has lost its way, what stands within braces looks to it like definitions, and the file like unfinished.
  if (!offending || reported || count > maxSyntaxErrors)
    return;
  if (count > 1 && isDefinitionRule(recognizer) && (offending->getType() == AntlrToken::EOF || depthAt(recognizer, offending) > 0))
    return;
  if (auto *parser = dynamic_cast<antlr4::Parser *>(recognizer))
    reportSyntax(unexpected(parser, offending), places.span(offending), diagnostics);
}

void HeaderRecovery::recover(antlr4::Parser *parser, std::exception_ptr error) {
  auto away = isInHeader(parser) ? toBrace(parser) : std::nullopt;
  if (!away)
    return DefaultErrorStrategy::recover(parser, error);
  for (size_t i = 0; i < *away; ++i)
    parser->consume();
  if (!isStructure(parser->getContext()))
    return;
  // The structure itself is given up: with its braces.
  int depth = 0;
  do {
    std::string text = parser->getCurrentToken()->getText();
    depth += (text == "{") - (text == "}");
    parser->consume();
  } while (depth > 0 && parser->getCurrentToken()->getType() != AntlrToken::EOF);
}

AntlrToken *HeaderRecovery::singleTokenDeletion(antlr4::Parser *parser) {
  std::string text = parser->getCurrentToken()->getText();
  return text == "{" || text == "}" ? nullptr : DefaultErrorStrategy::singleTokenDeletion(parser);
}

AntlrToken *HeaderRecovery::recoverInline(antlr4::Parser *parser) {
  bool wantsBrace = dynamic_cast<CnnParser::LayersContext *>(parser->getContext()) && parser->getContext()->children.empty();
  auto away = (wantsBrace || isStructure(parser->getContext())) && isInHeader(parser) ? toBrace(parser) : std::nullopt;
  if (!away)
    return DefaultErrorStrategy::recoverInline(parser);
  if (!wantsBrace) { // `for x on`: its list is looked for where it is
    if (AntlrToken *next = singleTokenDeletion(parser)) {
      parser->consume();
      return next;
    }
    reportMissingToken(parser);
    return getMissingSymbol(parser);
  }
  reportUnwantedToken(parser);
  for (size_t i = 0; i < *away; ++i)
    parser->consume();
  AntlrToken *brace = parser->getCurrentToken();
  reportMatch(parser);
  parser->consume();
  return brace;
}

} // namespace cnnc
