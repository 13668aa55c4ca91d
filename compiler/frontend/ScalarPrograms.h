// Scalar programs: activations, optimisers and schedules, from their definitions in the language to expressions of numbers.
// In: a definition and the values of its arguments.  Out: a program with the arguments filled in and constants folded.
#pragma once

#include "compiler/frontend/Definitions.h"
#include "compiler/frontend/Value.h"
#include "compiler/support/Diagnostics.h"

namespace cnnc {

// ---- Fold.cpp: expressions that simplify themselves ----
ScalarExprPtr scalarNumber(double value);
ScalarExprPtr scalarVariable(const std::string &name);
ScalarExprPtr scalarCall(const std::string &name, std::vector<ScalarExprPtr> args, const Span &span);
ScalarExprPtr scalarSelect(ScalarExprPtr condition, ScalarExprPtr then, ScalarExprPtr otherwise, const Span &span);
/// How many operands a function or operator takes; 0: there is none of that name.
size_t scalarArity(const std::string &name);
/// "x * (1 + exp(x))", for --emit=ast and tests.
std::string scalarText(const ScalarExprPtr &e);

class ScalarCompiler {
public:
  ScalarCompiler(const Definitions &definitions, DiagnosticEngine &diagnostics) : definitions(definitions), diagnostics(diagnostics) {}

  std::optional<ActivationProgram> activation(const ast::Program &program, const std::map<std::string, Value> &arguments, const Span &use);
  std::optional<ScheduleProgram> schedule(const ast::Program &program, const std::map<std::string, Value> &arguments, const Span &use, double delay = 0);
  std::optional<OptimizerProgram> optimizer(const ast::Program &program, const std::map<std::string, Value> &arguments, const Span &use);
  /// Checks a definition that nothing uses: its names, its calls.
  void check(const ast::Program &program);

private:
  /// What a name means inside: an expression, or a list (of `reached`).
  struct Meaning {
    ScalarExprPtr expression;
    std::vector<double> list;
    bool isList = false;
  };
  using Names = std::map<std::string, Meaning>;

  bool bind(const ast::Program &program, size_t first, const std::map<std::string, Value> &arguments, const Span &use, Names &names);
  ScalarExprPtr translate(const ast::Expr &e, const Names &names);
  ScalarExprPtr call(const ast::Expr &e, const Names &names);
  ScalarExprPtr norm(const ast::Expr &e, const Names &names);
  ScalarExprPtr reached(const ast::Expr &e, const Names &names);
  ScalarExprPtr useActivation(const ast::Expr &e, const ast::Program &program, const Names &names);
  bool assignments(const ast::Program &program, Names names, OptimizerProgram &out, std::vector<OptimizerProgram::Assign> &body);
  ScalarExprPtr fail(const Span &span, const std::string &what, const std::string &help = "");

  const Definitions &definitions;
  DiagnosticEngine &diagnostics;
  std::vector<const ast::Program *> open;
  size_t nodes = 0;
  bool inOptimizer = false, inNorm = false; ///< of which the body is being read
};

} // namespace cnnc
