// Text -> AST: tokens are checked against the limits, ANTLR parses them, and its tree becomes ours.
// In: a source file.  Out: ast::File, or diagnostics with positions. No file but this and SyntaxErrors sees ANTLR.
#include "compiler/frontend/Parse.h"
#include "compiler/frontend/SyntaxErrors.h"
#include "compiler/frontend/Text.h"
#include "compiler/frontend/Tokens.h"

#include "CnnLexer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace cnnc {
namespace {

using AntlrToken = antlr4::Token;

std::vector<Token> tokensOf(const std::vector<AntlrToken *> &all) {
  std::vector<Token> tokens;
  for (const AntlrToken *token : all) {
    if (token->getChannel() != AntlrToken::DEFAULT_CHANNEL || token->getType() == AntlrToken::EOF)
      continue;
    size_t type = token->getType();
    Token::Kind kind = type == CnnLexer::UNKNOWN           ? Token::Kind::Unknown
                       : type == CnnLexer::UNCLOSED_STRING ? Token::Kind::UnclosedString
                       : type == CnnLexer::IDENTIFIER      ? Token::Kind::Identifier
                                                           : Token::Kind::Word;
    tokens.push_back({kind, token->getText(), token->getStartIndex(), token->getStopIndex()});
  }
  return tokens;
}

/// ANTLR's tree -> our AST.
class TreeBuilder {
public:
  TreeBuilder(const Places &places, DiagnosticEngine &diagnostics) : places(places), diagnostics(diagnostics) {}

  /// nullopt if a whole definition cannot be read: others may need it.
  std::optional<ast::File> file(CnnParser::FileContext *context, bool withErrors);
  ast::ExprPtr expression(CnnParser::ExpressionContext *context);

private:
  ast::Word word(antlr4::ParserRuleContext *context) { return {context->getText(), places.span(context)}; }
  ast::Word word(AntlrToken *token) { return {token->getText(), places.span(token)}; }
  std::string unquote(const std::string &text);
  double number(const std::string &text, const Span &span);
  std::vector<ast::Argument> arguments(CnnParser::ArgumentsContext *context);
  std::vector<ast::Parameter> parameters(CnnParser::ParametersContext *context);
  ast::Layers layers(CnnParser::LayersContext *context);
  ast::Step step(CnnParser::StepContext *context);
  ast::ExprPtr header(CnnParser::ExpressionContext *context);
  ast::Word header(CnnParser::WordContext *context);
  ast::Section section(antlr4::ParserRuleContext *context, const std::vector<CnnParser::EntryContext *> &entries);
  ast::Program program(CnnParser::DefinitionContext *context);

  bool broken(antlr4::tree::ParseTree *tree) const;
  bool readable(CnnParser::PipelineContext *pipeline) const;
  bool brokenItself(antlr4::ParserRuleContext *context) const;
  void unreadable(CnnParser::PipelineContext *pipeline, ast::Layers &list);

  const Places &places;
  DiagnosticEngine &diagnostics;
  bool withErrors = false;
};

/// Did the parser skip or make up something directly below this rule?
bool TreeBuilder::brokenItself(antlr4::ParserRuleContext *context) const {
  if (!withErrors)
    return false;
  auto isError = [](antlr4::tree::ParseTree *child) { return dynamic_cast<antlr4::tree::ErrorNode *>(child) != nullptr; };
  return context->exception || std::any_of(context->children.begin(), context->children.end(), isError);
}

/// The same anywhere below.
bool TreeBuilder::broken(antlr4::tree::ParseTree *tree) const {
  if (!withErrors)
    return false;
  if (!tree || dynamic_cast<antlr4::tree::ErrorNode *>(tree))
    return true;
  auto *context = dynamic_cast<antlr4::ParserRuleContext *>(tree);
  return (context && context->exception) ||
         std::any_of(tree->children.begin(), tree->children.end(), [&](antlr4::tree::ParseTree *child) { return broken(child); });
}

/// Whether its steps are known: a structure of layers is, whatever is wrong with its header or inside its braces.
bool TreeBuilder::readable(CnnParser::PipelineContext *pipeline) const {
  auto known = [&](CnnParser::StepContext *step) {
    antlr4::ParserRuleContext *structure = nullptr;
    for (antlr4::ParserRuleContext *each : std::initializer_list<antlr4::ParserRuleContext *>{step->residual(), step->gate(), step->repeat(), step->forEach(), step->choice()})
      structure = each ? each : structure;
    return !broken(step) || (structure && !brokenItself(step) && !structure->getRuleContexts<CnnParser::LayersContext>().empty());
  };
  auto steps = pipeline->step();
  return !brokenItself(pipeline) && !steps.empty() && std::all_of(steps.begin(), steps.end(), known);
}

/// null: it could not be read
ast::ExprPtr TreeBuilder::header(CnnParser::ExpressionContext *context) { return !context || broken(context) ? nullptr : expression(context); }
ast::Word TreeBuilder::header(CnnParser::WordContext *context) { return !context || broken(context) ? ast::Word() : word(context); }

/// In the place of a pipeline that cannot be read; the names that its lets would have given stay known.
void TreeBuilder::unreadable(CnnParser::PipelineContext *pipeline, ast::Layers &list) {
  ast::Step s;
  s.kind = ast::Step::Kind::Unreadable;
  s.span = places.span(pipeline->getStart());
  for (auto *step : pipeline->step())
    if (auto *let = step->let(); let && let->word() && !broken(let->word())) {
      ast::Step named = s;
      named.kind = ast::Step::Kind::Let;
      named.name = word(let->word());
      list.push_back(named);
    }
  list.push_back(s);
}

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
  e->span = places.span(context);
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
    e->kind = c->path()->word().size() > 1 ? Kind::Member : Kind::Name;
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
  auto gap = [&] {
    if (!list.empty() && list.back().kind == ast::Step::Kind::Unreadable)
      return;
    ast::Step s;
    s.kind = ast::Step::Kind::Unreadable;
    s.span = places.span(context->getStart());
    list.push_back(s);
  };
  for (auto *child : context->children) {
    auto *pipeline = dynamic_cast<CnnParser::PipelineContext *>(child);
    if (dynamic_cast<antlr4::tree::ErrorNode *>(child))
      gap();
    if (!pipeline)
      continue;
    if (!readable(pipeline)) {
      unreadable(pipeline, list);
      continue;
    }
    for (auto *s : pipeline->step()) {
      list.push_back(step(s));
      list.back().beginsStatement = s == pipeline->step(0);
    }
  }
  if (withErrors && context->exception)
    gap();
  return list;
}

ast::Step TreeBuilder::step(CnnParser::StepContext *context) {
  using Kind = ast::Step::Kind;
  ast::Step s;
  s.span = places.span(context->getStart());
  s.end = context->getStop() ? places.span(context->getStop()) : s.span;
  auto bodies = [&](const std::vector<CnnParser::LayersContext *> &list) {
    for (auto *body : list)
      s.bodies.push_back(layers(body));
  };
  if (auto *c = context->layer()) {
    if (c->word())
      s.label = word(c->word());
    s.name = word(c->kind);
    s.span = places.span(c->kind, c->getStop());
    if (c->arguments()) {
      s.hasArguments = true;
      s.arguments = arguments(c->arguments());
    }
  } else if (auto *c = context->residual()) {
    s.kind = Kind::Residual;
    bodies({c->layers()});
    if (auto *shortcut = c->shortcut()) {
      s.hasShortcut = true;
      s.hasCondition = shortcut->expression() || brokenItself(shortcut);
      s.condition = header(shortcut->expression());
      bodies(shortcut->layers() ? std::vector<CnnParser::LayersContext *>{shortcut->layers()} : std::vector<CnnParser::LayersContext *>());
    }
    s.bodies.resize(s.hasShortcut ? 2 : 1);
  } else if (auto *c = context->gate()) {
    s.kind = Kind::Gate;
    bodies({c->layers()});
  } else if (auto *c = context->branch()) {
    s.kind = Kind::Branch;
    s.name = word(c->IDENTIFIER()->getSymbol());
    bodies(c->layers());
  } else if (auto *c = context->repeat()) {
    s.kind = Kind::Repeat;
    s.value = header(c->expression());
    bodies({c->layers()});
  } else if (auto *c = context->forEach()) {
    s.kind = Kind::For;
    s.name = header(c->word());
    s.value = header(c->expression());
    bodies({c->layers()});
  } else if (auto *c = context->choice()) {
    s.kind = Kind::If;
    for (auto *condition : c->expression())
      s.conditions.push_back(header(condition));
    bodies(c->layers());
    if (brokenItself(c))
      s.conditions.assign(std::max(s.conditions.size(), s.bodies.size()), nullptr);
  } else if (auto *c = context->let()) {
    s.kind = Kind::Let;
    s.name = word(c->word());
    s.value = expression(c->expression());
  }
  return s;
}

ast::Section TreeBuilder::section(antlr4::ParserRuleContext *context, const std::vector<CnnParser::EntryContext *> &entries) {
  ast::Section section;
  section.span = places.span(context->getStart());
  for (auto *e : entries) {
    if (broken(e))
      continue;
    ast::Entry entry;
    entry.isLoad = !e->word();
    entry.name = e->word() ? word(e->word()) : word(e->getStart());
    if (e->path())
      entry.target = word(e->path());
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

std::optional<ast::File> TreeBuilder::file(CnnParser::FileContext *context, bool errors) {
  withErrors = errors;
  ast::File file;
  file.source = places.positions.source;
  file.incomplete = errors;
  if (brokenItself(context))
    return std::nullopt;
  for (auto *d : context->definition()) {
    auto *named = d->network();
    bool inside = d->data() || d->train() || d->tune() || (d->param() && d->param()->word() && !broken(d->param()->word())) ||
                  (named && named->word() && !broken(named->word()) && named->layers());
    auto *blockIn = d->block();
    inside |= blockIn && blockIn->word() && !broken(blockIn->word()) && blockIn->layers() && (!blockIn->parameters() || !broken(blockIn->parameters()));
    if (brokenItself(d) || (!inside && broken(d)))
      return std::nullopt;
    if (auto *c = d->importFile())
      file.imports.push_back({unquote(c->STRING()->getText()), places.span(c->STRING()->getSymbol())});
    else if (auto *c = d->param())
      file.params.push_back({word(c->word()), broken(c->expression()) || brokenItself(c) ? nullptr : expression(c->expression())});
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
  Places places{Positions(source)};
  antlr4::ANTLRInputStream input(source->text);
  CnnLexer lexer(&input);
  lexer.removeErrorListeners();
  antlr4::CommonTokenStream tokens(&lexer);
  tokens.fill();
  if (checkTokens(tokensOf(tokens.getTokens()), places.positions, diagnostics) == TokensAre::Unusable)
    return false;

  CnnParser parser(&tokens);
  parser.removeErrorListeners();
  parser.getInterpreter<antlr4::atn::ParserATNSimulator>()->setPredictionMode(antlr4::atn::PredictionMode::SLL);
  parser.setErrorHandler(std::make_shared<antlr4::BailErrorStrategy>());
  SyntaxErrors errors(places, diagnostics);
  for (const AntlrToken *token : tokens.getTokens()) // their lines are spoken of already
    if (token->getType() == CnnLexer::UNKNOWN || token->getType() == CnnLexer::UNCLOSED_STRING)
      errors.lines.insert(token->getLine());
  try {
    return read(parser, places, errors);
  } catch (const antlr4::ParseCancellationException &) {
    tokens.seek(0);
    parser.reset();
    parser.getInterpreter<antlr4::atn::ParserATNSimulator>()->setPredictionMode(antlr4::atn::PredictionMode::LL);
    parser.setErrorHandler(std::make_shared<HeaderRecovery>());
    parser.addErrorListener(&errors);
    return read(parser, places, errors);
  }
}

} // namespace

std::optional<ast::File> parse(const std::shared_ptr<const SourceFile> &source, DiagnosticEngine &diagnostics) {
  size_t before = diagnostics.errors();
  std::optional<ast::File> file;
  withParser(source, diagnostics, [&](CnnParser &parser, const Places &places, SyntaxErrors &errors) {
    auto *tree = parser.file();
    size_t read = diagnostics.errors();
    file = TreeBuilder(places, diagnostics).file(tree, errors.count != 0);
    if (diagnostics.errors() != read || parser.getCurrentToken()->getType() != AntlrToken::EOF)
      file.reset();
    return file.has_value();
  });
  if (file && diagnostics.errors() != before && !file->incomplete)
    return std::nullopt;
  return file;
}

ast::ExprPtr parseExpression(const std::shared_ptr<const SourceFile> &source, DiagnosticEngine &diagnostics) {
  size_t before = diagnostics.errors();
  ast::ExprPtr value;
  withParser(source, diagnostics, [&](CnnParser &parser, const Places &places, SyntaxErrors &errors) {
    auto *tree = parser.expression();
    if (errors.count == 0 && parser.getCurrentToken()->getType() == AntlrToken::EOF)
      value = TreeBuilder(places, diagnostics).expression(tree);
    return value != nullptr;
  });
  if (!value && diagnostics.errors() == before)
    diagnostics.report(Diag::CommandLine, spanOf(source, 0, source->text.size()), {"this is not one value"});
  return value;
}

} // namespace cnnc
