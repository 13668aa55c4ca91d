// Text -> AST: tokens are checked against the limits, ANTLR parses them, and its tree becomes ours.
// In: a source file.  Out: ast::File, or diagnostics with positions. No other file sees ANTLR.
#include "compiler/frontend/Parse.h"
#include "compiler/frontend/Text.h"
#include "compiler/support/Spelling.h"

#include "CnnLexer.h"
#include "CnnParser.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace cnnc {
namespace {

using antlr4::Token;

/// From ANTLR's character indices to our byte positions.
class Positions {
public:
  explicit Positions(std::shared_ptr<const SourceFile> source) : source(std::move(source)) {
    const std::string &text = this->source->text;
    for (size_t i = 0; i < text.size(); i += utf8Length(text, i))
      bytes.push_back(uint32_t(i));
    bytes.push_back(uint32_t(text.size()));
    for (size_t i = 0; i <= text.size(); ++i)
      if (i == 0 || text[i - 1] == '\n')
        lineStarts.push_back(uint32_t(i));
  }

  Span span(const Token *first, const Token *last) const {
    size_t begin = byteAt(first->getStartIndex()), end = first->getType() == Token::EOF ? begin + 1 : byteAt(last->getStopIndex() + 1);
    if (first->getType() == Token::EOF) // the end of the last line that says something
      while (begin > 0 && std::isspace(static_cast<unsigned char>(source->text[begin - 1])))
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
  Span span(const Token *token) const { return span(token, token); }
  Span span(antlr4::ParserRuleContext *context) const {
    const Token *last = context->getStop() ? context->getStop() : context->getStart();
    return span(context->getStart(), last);
  }

  const std::shared_ptr<const SourceFile> source;

private:
  size_t byteAt(size_t character) const { return bytes[std::min(character, bytes.size() - 1)]; }
  std::vector<uint32_t> bytes, lineStarts;
};

std::string quoted(const Token *token) {
  if (token->getType() == Token::EOF)
    return "end of file";
  std::string text = token->getText();
  return "`" + (text.size() > 40 ? text.substr(0, 40) + "..." : text) + "`";
}

bool isOneOf(const std::string &text, std::initializer_list<const char *> list) {
  return std::any_of(list.begin(), list.end(), [&](const char *word) { return text == word; });
}

/// Limits, stray characters and brackets, on the tokens alone: ANTLR's recursion has no limit of its own.
class TokenChecks {
public:
  TokenChecks(const Positions &positions, DiagnosticEngine &diagnostics) : positions(positions), diagnostics(diagnostics) {}

  bool check(const std::vector<Token *> &tokens) {
    if (tokens.size() > maxTokens)
      return limit(tokens.back(), "at most " + std::to_string(maxTokens) + " words and signs"), false;
    for (const Token *token : tokens)
      if (token->getChannel() == Token::DEFAULT_CHANNEL && !checkToken(token))
        return false;
    if (good && !open.empty())
      diagnostics.report(Diag::Bracket, positions.span(open.back()), {"this " + quoted(open.back()) + " is never closed"});
    return good && open.empty();
  }

private:
  void limit(const Token *token, const std::string &what) { diagnostics.report(Diag::TextLimit, positions.span(token), {what}); }

  bool checkToken(const Token *token) {
    std::string text = token->getText();
    size_t type = token->getType();
    if (type == CnnLexer::UNKNOWN) {
      auto &d = diagnostics.report(Diag::UnknownCharacter, positions.span(token), {text});
      if (text == "'")
        d.help("strings stand in double quotes");
      if (text == ";")
        d.help("nothing is needed between statements: a new line or `->` will do");
      return good = false, true;
    }
    if (type == CnnLexer::UNCLOSED_STRING) {
      diagnostics.report(Diag::UnclosedString, positions.span(token)).help("close it with `\"` on the same line");
      return good = false, true;
    }
    if (type == CnnLexer::IDENTIFIER && text.size() > maxIdentifier) {
      limit(token, "names have at most " + std::to_string(maxIdentifier) + " characters");
      return good = false, true;
    }
    return checkBracket(token, text) && checkLength(token, text);
  }

  bool checkBracket(const Token *token, const std::string &text) {
    if (isOneOf(text, {"(", "[", "{"})) {
      open.push_back(token);
      if (open.size() > maxBracketDepth)
        return limit(token, "brackets may be nested " + std::to_string(maxBracketDepth) + " deep"), false;
    } else if (isOneOf(text, {")", "]", "}"})) {
      if (open.empty()) {
        diagnostics.report(Diag::Bracket, positions.span(token), {"this " + quoted(token) + " closes nothing"});
        return good = false;
      }
      std::string opening = open.back()->getText();
      std::string expected = opening == "(" ? ")" : opening == "[" ? "]" : "}";
      if (text != expected) {
        diagnostics.report(Diag::Bracket, positions.span(open.back()), {"this " + quoted(open.back()) + " is never closed"})
            .secondary(positions.span(token), "found `" + text + "` where `" + expected + "` was still missing");
        return good = false;
      }
      open.pop_back();
    }
    return true;
  }

  bool checkLength(const Token *token, const std::string &text) {
    if (isOneOf(text, {"{", "}", "=", "->", ","}))
      operators = 0;
    else if (isOneOf(text, {"+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or", "not", "if", "else"}))
      ++operators;
    if (operators > maxOperators)
      return limit(token, "an expression has at most " + std::to_string(maxOperators) + " operators"), false;
    return true;
  }

  const Positions &positions;
  DiagnosticEngine &diagnostics;
  std::vector<const Token *> open;
  size_t operators = 0;
  bool good = true;
};

/// What the parser would have taken, in words: "`)` or `,`", "a layer or `}`".
std::string expectedInWords(antlr4::Parser *parser) {
  antlr4::misc::IntervalSet expected;
  try {
    expected = parser->getExpectedTokens();
  } catch (...) {
    return "";
  }
  std::vector<std::string> words;
  bool value = expected.contains(size_t(CnnParser::NUMBER));
  bool name = expected.contains(size_t(CnnParser::IDENTIFIER));
  std::string ruleName = parser->getRuleNames()[parser->getContext()->getRuleIndex()];
  if (value)
    words.push_back("a value");
  else if (name)
    words.push_back(isOneOf(ruleName, {"layers", "pipeline", "step", "layer"}) ? "a layer" : "a name");
  for (ssize_t type : expected.toList()) {
    std::string literal = type == ssize_t(Token::EOF) ? "the end of the file" : parser->getVocabulary().getLiteralName(size_t(type));
    if (literal.empty())
      continue;
    if (literal[0] == '\'')
      literal = "`" + literal.substr(1, literal.size() - 2) + "`";
    bool isWord = std::isalpha(static_cast<unsigned char>(literal[1]));
    bool isOperator = isOneOf(literal, {"`+`", "`-`", "`*`", "`/`", "`//`", "`%`", "`<`", "`<=`", "`>`", "`>=`", "`==`", "`!=`", "`and`", "`or`", "`if`", "`not`", "`.`"});
    if ((value && (isWord || isOneOf(literal, {"`(`", "`[`", "`-`"}))) || (name && isWord) || isOperator)
      continue;
    words.push_back(literal);
  }
  constexpr size_t most = 5;
  if (words.empty() || (words.size() > most && !name && !value && ruleName != "file"))
    return words.empty() ? "" : "expected one of " + words[0] + ", " + words[1] + ", " + words[2] + "...";
  std::string text = "expected ";
  for (size_t i = 0; i < words.size(); ++i)
    text += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
  return text;
}

class SyntaxErrors : public antlr4::BaseErrorListener {
public:
  SyntaxErrors(const Positions &positions, DiagnosticEngine &diagnostics) : positions(positions), diagnostics(diagnostics) {}
  void syntaxError(antlr4::Recognizer *recognizer, Token *offending, size_t, size_t, const std::string &, std::exception_ptr) override {
    ++count;
    if (!offending || count > maxSyntaxErrors)
      return;
    auto *parser = dynamic_cast<antlr4::Parser *>(recognizer);
    Span span = positions.span(offending);
    auto &d = diagnostics.report(Diag::Syntax, span, {quoted(offending)}).label(span, parser ? expectedInWords(parser) : "");
    std::string rule = parser ? parser->getRuleNames()[parser->getContext()->getRuleIndex()] : "";
    if (isOneOf(rule, {"file", "definition"}) && offending->getType() == CnnLexer::IDENTIFIER) {
      std::string help = didYouMean(offending->getText(), {"import", "param", "network", "block", "data", "train", "tune", "activation", "optimizer", "schedule"});
      if (!help.empty())
        d.help(help);
    }
    if (offending->getText() == "=" && isOneOf(rule, {"layers", "pipeline", "step"}))
      d.help("a constant is named outside of the network with `param`, a map inside with `let`");
  }
  size_t count = 0;

private:
  static constexpr size_t maxSyntaxErrors = 20;
  const Positions &positions;
  DiagnosticEngine &diagnostics;
};

/// ANTLR's tree -> our AST.
class TreeBuilder {
public:
  TreeBuilder(const Positions &positions, DiagnosticEngine &diagnostics) : positions(positions), diagnostics(diagnostics) {}

  ast::File file(CnnParser::FileContext *context);
  ast::ExprPtr expression(CnnParser::ExpressionContext *context);

private:
  ast::Word word(antlr4::ParserRuleContext *context) { return {context->getText(), positions.span(context)}; }
  ast::Word word(Token *token) { return {token->getText(), positions.span(token)}; }
  std::string unquote(const std::string &text);
  double number(const std::string &text, const Span &span);
  std::vector<ast::Argument> arguments(CnnParser::ArgumentsContext *context);
  std::vector<ast::Parameter> parameters(CnnParser::ParametersContext *context);
  ast::Layers layers(CnnParser::LayersContext *context);
  ast::Step step(CnnParser::StepContext *context);
  ast::Section section(antlr4::ParserRuleContext *context, const std::vector<CnnParser::EntryContext *> &entries);
  ast::Program program(CnnParser::DefinitionContext *context);

  const Positions &positions;
  DiagnosticEngine &diagnostics;
};

std::string TreeBuilder::unquote(const std::string &text) {
  std::string out;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && i + 2 < text.size())
      ++i;
    out += text[i];
  }
  return out;
}

double TreeBuilder::number(const std::string &text, const Span &span) {
  double value = 0;
  auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || !std::isfinite(value))
    diagnostics.report(Diag::NumberRange, span, {text.substr(0, 40)});
  return value;
}

std::vector<ast::Argument> TreeBuilder::arguments(CnnParser::ArgumentsContext *context) {
  std::vector<ast::Argument> list;
  for (auto *argument : context->argument()) {
    ast::Argument a;
    if (argument->word())
      a.keyword = word(argument->word());
    a.value = expression(argument->expression());
    list.push_back(std::move(a));
  }
  return list;
}

std::vector<ast::Parameter> TreeBuilder::parameters(CnnParser::ParametersContext *context) {
  std::vector<ast::Parameter> list;
  if (context)
    for (auto *p : context->parameter())
      list.push_back({word(p->word()), p->expression() ? expression(p->expression()) : nullptr});
  return list;
}

ast::ExprPtr TreeBuilder::expression(CnnParser::ExpressionContext *context) {
  using Kind = ast::Expr::Kind;
  auto e = std::make_shared<ast::Expr>();
  e->span = positions.span(context);
  auto items = [&](Kind kind, std::string text, const std::vector<CnnParser::ExpressionContext *> &list) {
    e->kind = kind;
    e->text = std::move(text);
    for (auto *item : list)
      e->items.push_back(expression(item));
  };
  if (auto *c = dynamic_cast<CnnParser::NumberContext *>(context)) {
    e->number = number(c->getText(), e->span);
  } else if (auto *c = dynamic_cast<CnnParser::BoolContext *>(context)) {
    e->kind = Kind::Bool;
    e->number = c->getText() == "true";
  } else if (auto *c = dynamic_cast<CnnParser::StringContext *>(context)) {
    e->kind = Kind::String;
    e->text = unquote(c->getText());
  } else if (auto *c = dynamic_cast<CnnParser::SizeContext *>(context)) {
    e->kind = Kind::Size;
    std::string text = c->getText();
    size_t x = text.find('x');
    for (const std::string &side : {text.substr(0, x), text.substr(x + 1)}) {
      auto part = std::make_shared<ast::Expr>();
      part->span = e->span;
      part->number = number(side, e->span);
      e->items.push_back(part);
    }
  } else if (auto *c = dynamic_cast<CnnParser::InputShapeContext *>(context)) {
    e->kind = Kind::Member;
    e->text = "in." + c->word()->getText();
  } else if (auto *c = dynamic_cast<CnnParser::NameContext *>(context)) {
    e->kind = c->word().size() > 1 ? Kind::Member : Kind::Name;
    e->text = c->getText();
  } else if (auto *c = dynamic_cast<CnnParser::CallContext *>(context)) {
    e->kind = Kind::Call;
    e->text = c->word()->getText();
    e->arguments = arguments(c->arguments());
  } else if (auto *c = dynamic_cast<CnnParser::ListContext *>(context)) {
    items(Kind::List, "", c->expression());
  } else if (auto *c = dynamic_cast<CnnParser::TupleContext *>(context)) {
    auto list = arguments(c->arguments());
    if (list.size() == 1 && !list[0].keyword)
      return list[0].value;
    e->kind = Kind::Tuple;
    e->arguments = std::move(list);
  } else if (auto *c = dynamic_cast<CnnParser::NegateContext *>(context)) {
    items(Kind::Unary, "-", {c->expression()});
  } else if (auto *c = dynamic_cast<CnnParser::NotContext *>(context)) {
    items(Kind::Unary, "not", {c->expression()});
  } else if (auto *c = dynamic_cast<CnnParser::BinaryContext *>(context)) {
    items(Kind::Binary, c->op->getText(), c->expression());
  } else if (auto *c = dynamic_cast<CnnParser::SelectContext *>(context)) {
    auto list = c->expression();
    items(Kind::Select, "", {list[1], list[0], list[2]});
  }
  return e;
}

ast::Layers TreeBuilder::layers(CnnParser::LayersContext *context) {
  ast::Layers list;
  for (auto *pipeline : context->pipeline())
    for (auto *s : pipeline->step())
      list.push_back(step(s));
  return list;
}

ast::Step TreeBuilder::step(CnnParser::StepContext *context) {
  using Kind = ast::Step::Kind;
  ast::Step s;
  s.span = positions.span(context->getStart());
  auto bodies = [&](const std::vector<CnnParser::LayersContext *> &list) {
    for (auto *body : list)
      s.bodies.push_back(layers(body));
  };
  if (auto *c = context->layer()) {
    if (c->word())
      s.label = word(c->word());
    s.name = word(c->IDENTIFIER()->getSymbol());
    s.span = positions.span(c->IDENTIFIER()->getSymbol(), c->getStop());
    if (c->arguments()) {
      s.hasArguments = true;
      s.arguments = arguments(c->arguments());
    }
  } else if (auto *c = context->residual()) {
    s.kind = Kind::Residual;
    bodies({c->layers()});
    if (auto *shortcut = c->shortcut()) {
      s.hasShortcut = true;
      if (shortcut->expression())
        s.condition = expression(shortcut->expression());
      bodies({shortcut->layers()});
    }
  } else if (auto *c = context->gate()) {
    s.kind = Kind::Gate;
    bodies({c->layers()});
  } else if (auto *c = context->branch()) {
    s.kind = Kind::Branch;
    s.name = word(c->IDENTIFIER()->getSymbol());
    bodies(c->layers());
  } else if (auto *c = context->repeat()) {
    s.kind = Kind::Repeat;
    s.value = expression(c->expression());
    bodies({c->layers()});
  } else if (auto *c = context->forEach()) {
    s.kind = Kind::For;
    s.name = word(c->word());
    s.value = expression(c->expression());
    bodies({c->layers()});
  } else if (auto *c = context->choice()) {
    s.kind = Kind::If;
    for (auto *condition : c->expression())
      s.conditions.push_back(expression(condition));
    bodies(c->layers());
  } else if (auto *c = context->let()) {
    s.kind = Kind::Let;
    s.name = word(c->word());
    s.value = expression(c->expression());
  }
  return s;
}

ast::Section TreeBuilder::section(antlr4::ParserRuleContext *context, const std::vector<CnnParser::EntryContext *> &entries) {
  ast::Section section;
  section.span = positions.span(context->getStart());
  for (auto *e : entries) {
    ast::Entry entry;
    entry.name = word(e->word());
    if (e->expression())
      entry.value = expression(e->expression());
    if (e->layers())
      entry.layers = layers(e->layers());
    section.entries.push_back(std::move(entry));
  }
  return section;
}

ast::Program TreeBuilder::program(CnnParser::DefinitionContext *context) {
  ast::Program p;
  if (auto *c = context->activation()) {
    p.name = word(c->word());
    p.parameters = parameters(c->parameters());
    p.updates.push_back({false, {}, expression(c->expression())});
  } else if (auto *c = context->schedule()) {
    p.kind = ast::Program::Kind::Schedule;
    p.name = word(c->word());
    p.parameters = parameters(c->parameters());
    p.updates.push_back({false, {}, expression(c->expression())});
  } else if (auto *c = context->optimizer()) {
    p.kind = ast::Program::Kind::Optimizer;
    p.name = word(c->word());
    p.parameters = parameters(c->parameters());
    for (auto *u : c->update()) {
      bool isState = u->children.size() == 4; // state NAME = expression
      p.updates.push_back({isState, word(u->word()), expression(u->expression())});
    }
  }
  return p;
}

ast::File TreeBuilder::file(CnnParser::FileContext *context) {
  ast::File file;
  file.source = positions.source;
  for (auto *d : context->definition()) {
    if (auto *c = d->importFile())
      file.imports.push_back({unquote(c->STRING()->getText()), positions.span(c->STRING()->getSymbol())});
    else if (auto *c = d->param())
      file.params.push_back({word(c->word()), expression(c->expression())});
    else if (auto *c = d->network())
      file.networks.push_back({word(c->word()), layers(c->layers())});
    else if (auto *c = d->block())
      file.blocks.push_back({word(c->word()), parameters(c->parameters()), layers(c->layers())});
    else if (auto *c = d->data())
      file.data.push_back(section(c, c->entry()));
    else if (auto *c = d->train())
      file.train.push_back(section(c, c->entry()));
    else if (auto *c = d->tune())
      file.tune.push_back(section(c, c->entry()));
    else
      file.programs.push_back(program(d));
  }
  return file;
}

/// Runs `read` on a parser over `source`: first ANTLR's fast SLL prediction, and if that finds an error the full one, which reports it.
template <typename Read> bool withParser(const std::shared_ptr<const SourceFile> &source, DiagnosticEngine &diagnostics, Read read) {
  if (!checkText(source, diagnostics))
    return false;
  Positions positions(source);
  antlr4::ANTLRInputStream input(source->text);
  CnnLexer lexer(&input);
  lexer.removeErrorListeners();
  antlr4::CommonTokenStream tokens(&lexer);
  tokens.fill();
  if (!TokenChecks(positions, diagnostics).check(tokens.getTokens()))
    return false;

  CnnParser parser(&tokens);
  parser.removeErrorListeners();
  SyntaxErrors errors(positions, diagnostics);
  parser.addErrorListener(&errors);
  parser.getInterpreter<antlr4::atn::ParserATNSimulator>()->setPredictionMode(antlr4::atn::PredictionMode::SLL);
  return read(parser, positions, errors);
}

} // namespace

std::optional<ast::File> parse(const std::shared_ptr<const SourceFile> &source, DiagnosticEngine &diagnostics) {
  size_t before = diagnostics.errors();
  std::optional<ast::File> file;
  withParser(source, diagnostics, [&](CnnParser &parser, const Positions &positions, SyntaxErrors &errors) {
    auto *tree = parser.file();
    if (errors.count == 0)
      file = TreeBuilder(positions, diagnostics).file(tree);
    return errors.count == 0;
  });
  if (diagnostics.errors() != before)
    return std::nullopt;
  return file;
}

ast::ExprPtr parseExpression(const std::shared_ptr<const SourceFile> &source, DiagnosticEngine &diagnostics) {
  size_t before = diagnostics.errors();
  ast::ExprPtr value;
  withParser(source, diagnostics, [&](CnnParser &parser, const Positions &positions, SyntaxErrors &errors) {
    auto *tree = parser.expression();
    if (errors.count == 0 && parser.getCurrentToken()->getType() == Token::EOF)
      value = TreeBuilder(positions, diagnostics).expression(tree);
    return value != nullptr;
  });
  if (!value && diagnostics.errors() == before)
    diagnostics.report(Diag::CommandLine, spanOf(source, 0, source->text.size()), {"this is not one value"});
  return value;
}

} // namespace cnnc
