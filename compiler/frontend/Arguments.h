// Arguments of layers, blocks and programs: bound to their parameters, then read with their types and ranges checked.
// In: what was written and a signature.  Out: values; every mistake is reported where it stands.
#pragma once

#include "compiler/frontend/Evaluate.h"

namespace cnnc {

struct ParameterSpec {
  std::string name;
  bool required = false;
  std::string otherwise = ""; ///< the default as text, for editors; the reader of the argument knows its value
};

/// Which argument belongs to which parameter. Reports too many, unknown, repeated and missing ones.
struct BoundArguments {
  std::map<std::string, const ast::Argument *> given;
  bool good = true;
};
BoundArguments bindArguments(const std::string &callee, const Span &at, const std::vector<ast::Argument> &arguments,
                             const std::vector<ParameterSpec> &parameters, DiagnosticEngine &diagnostics);

/// The evaluated arguments of one call, read by name. A reader returns its default where nothing was given, and after a report;
/// `bad` tells that something was wrong.
class CallArguments {
public:
  CallArguments(std::string callee, Span at, DiagnosticEngine &diagnostics) : callee(std::move(callee)), at(std::move(at)), diagnostics(diagnostics) {}

  bool has(const std::string &name) const { return values.count(name) != 0; }
  const Value *find(const std::string &name) const;
  Span spanOf(const std::string &name) const;

  int64_t integer(const std::string &name, int64_t otherwise, int64_t least, int64_t most);
  Size2 size(const std::string &name, Size2 otherwise);
  bool boolean(const std::string &name, bool otherwise);
  double real(const std::string &name, double otherwise, double least, double most, const char *range);
  Init init(const std::string &name, Init otherwise);
  /// A help that gives the argument `name` another value, or adds it.
  void fix(Diagnostic &d, const std::string &name, const std::string &value, const std::string &help) const;
  /// One of `known`; the first one where it is not given.
  std::string word(const std::string &name, const std::vector<std::string> &known);
  /// Any complaint about one argument; null: there is nothing to say of it.
  Diagnostic *wrong(const std::string &name, const std::string &expected);
  /// The same, where one of `words` in quotes is meant without them.
  Diagnostic *wrongWord(const std::string &name, const std::string &expected, const std::vector<std::string> &words);

  std::map<std::string, Value> values;
  bool bad = false;
  const std::string callee;
  const Span at;

private:
  std::optional<int64_t> extent(const Value &value, const std::string &what, int64_t least, int64_t most);
  DiagnosticEngine &diagnostics;
};

/// The words that `init` takes.
const std::vector<std::string> &initNames();

} // namespace cnnc
