// What is said of syntax errors, and where the parser goes on behind them.
// In: ANTLR's parser at a token that no rule accepts.  Out: diagnostics; the parser behind the mistake.
#pragma once

#include "compiler/frontend/Tokens.h"
#include "compiler/support/Diagnostics.h"

#include "CnnParser.h"

#include <optional>
#include <set>

namespace cnnc {

/// Spans of ANTLR's tokens and rules.
struct Places {
  Span span(const antlr4::Token *first, const antlr4::Token *last) const {
    return positions.span(first->getStartIndex(), last->getStopIndex(), first->getType() == antlr4::Token::EOF);
  }
  Span span(const antlr4::Token *token) const { return span(token, token); }
  Span span(antlr4::ParserRuleContext *context) const {
    return span(context->getStart(), context->getStop() ? context->getStop() : context->getStart());
  }
  const Positions positions;
};

class SyntaxErrors : public antlr4::BaseErrorListener {
public:
  SyntaxErrors(const Places &places, DiagnosticEngine &diagnostics) : places(places), diagnostics(diagnostics) {}
  void syntaxError(antlr4::Recognizer *recognizer, antlr4::Token *offending, size_t, size_t, const std::string &, std::exception_ptr) override;

  size_t count = 0;
  std::set<size_t> lines; ///< those of which something has been said

private:
  static constexpr size_t maxSyntaxErrors = 20;
  const Places &places;
  DiagnosticEngine &diagnostics;
};

/// A mistake between `if`, `for`, `repeat`, `shortcut` and the brace behind them ends at the brace: the layers inside are read.
class HeaderRecovery : public antlr4::DefaultErrorStrategy {
public:
  void recover(antlr4::Parser *parser, std::exception_ptr error) override;
  antlr4::Token *recoverInline(antlr4::Parser *parser) override;

protected:
  /// Not of braces: they say where things end.
  antlr4::Token *singleTokenDeletion(antlr4::Parser *parser) override;
};

} // namespace cnnc
