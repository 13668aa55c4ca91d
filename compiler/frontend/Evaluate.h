// Constant expressions -> values.
// In: an expression, the names in scope, the current map.  Out: a Value; Bad after a report.
#pragma once

#include "compiler/frontend/Value.h"
#include "compiler/support/Diagnostics.h"

namespace cnnc {

class Evaluator {
public:
  /// `words`: bare names that stand for themselves where no variable hides them (same, he_normal, relu).
  Evaluator(DiagnosticEngine &diagnostics, std::set<std::string> words) : diagnostics(diagnostics), words(std::move(words)) {}

  Value evaluate(const ast::Expr &e, const Environment &environment, const Current *current);

private:
  Value bad(const ast::Expr &e) const;
  Value name(const ast::Expr &e, const Environment &environment, const Current *current);
  Value member(const ast::Expr &e, const Current *current);
  Value call(const ast::Expr &e, const Environment &environment, const Current *current);
  Value range(const ast::Expr &e, double first, double end);
  Value unary(const ast::Expr &e, const Value &a);
  Value binary(const ast::Expr &e, const Value &a, const Value &b);
  Value arithmetic(const ast::Expr &e, double a, double b);
  Value wrong(const ast::Expr &e, const std::string &what);
  Value tuple(const ast::Expr &e, const Environment &environment, const Current *current);
  bool spend(const ast::Expr &e, size_t elements);

  DiagnosticEngine &diagnostics;
  std::set<std::string> words;
  size_t spent = 0;
  bool exhausted = false;
};

} // namespace cnnc
