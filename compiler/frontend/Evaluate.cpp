// Constant expressions -> values. Division `/` is real, `//` rounds down, `%` has the sign of the divisor, as in Python.
// In: an expression, the names in scope, the current map.  Out: a Value; Bad after a report.
#include "compiler/frontend/Evaluate.h"
#include "compiler/support/Spelling.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace cnnc {
namespace {

constexpr size_t maxElements = 2000000; ///< values made in one run: a doubling list stops here
constexpr size_t maxListLength = 10000;

bool isComparison(const std::string &op) { return op == "<" || op == "<=" || op == ">" || op == ">=" || op == "==" || op == "!="; }

std::optional<bool> equal(const Value &a, const Value &b) {
  if (a.kind != b.kind)
    return std::nullopt;
  switch (a.kind) {
  case Value::Kind::Number:
  case Value::Kind::Bool:
    return a.number == b.number;
  case Value::Kind::String:
  case Value::Kind::Word:
    return a.text == b.text;
  case Value::Kind::Size:
  case Value::Kind::List: {
    if (a.items.size() != b.items.size())
      return false;
    for (size_t i = 0; i < a.items.size(); ++i) {
      auto same = equal(a.items[i], b.items[i]);
      if (!same || !*same)
        return same;
    }
    return true;
  }
  default:
    return std::nullopt;
  }
}

} // namespace

std::string numberText(double value) {
  char buffer[32];
  auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string text(buffer, result.ptr);
  if (value == std::floor(value) && std::fabs(value) < 1e15 && text.find('e') != std::string::npos)
    text = std::to_string(static_cast<int64_t>(value));
  return text;
}

std::string describe(const Value &value) {
  switch (value.kind) {
  case Value::Kind::Bad: return "unknown";
  case Value::Kind::Number: return "the number " + numberText(value.number);
  case Value::Kind::Bool: return value.number ? "the truth value true" : "the truth value false";
  case Value::Kind::String: return "a string";
  case Value::Kind::Word: return "the word `" + value.text + "`";
  case Value::Kind::Size: return "the size " + numberText(value.items[0].number) + "x" + numberText(value.items[1].number);
  case Value::Kind::List: return "a list of " + std::to_string(value.items.size());
  case Value::Kind::Call: return "`" + value.text + "(...)`";
  case Value::Kind::Map: return "a feature map";
  }
  return "";
}

const Value *Environment::find(const std::string &name) const {
  for (const Environment *e = this; e; e = e->outer) {
    auto it = e->names.find(name);
    if (it != e->names.end())
      return &it->second;
  }
  return nullptr;
}

void Environment::collect(std::vector<std::string> &out) const {
  for (const Environment *e = this; e; e = e->outer)
    for (auto &[name, value] : e->names)
      out.push_back(name);
}

Value Evaluator::bad(const ast::Expr &e) const {
  Value value;
  value.span = e.span;
  return value;
}

Value Evaluator::wrong(const ast::Expr &e, const std::string &what) {
  diagnostics.report(Diag::Arithmetic, e.span, {what});
  return bad(e);
}

bool Evaluator::spend(const ast::Expr &e, size_t elements) {
  spent += elements;
  if (spent > maxElements && !exhausted) {
    exhausted = true;
    diagnostics.report(Diag::TextLimit, e.span, {"the expressions of the file make too many values"});
  }
  return !exhausted;
}

static Value scalar(Value::Kind kind, double number, const Span &span) {
  Value value;
  value.kind = kind;
  value.number = number;
  value.span = span;
  return value;
}

Value Evaluator::evaluate(const ast::Expr &e, const Environment &environment, const Current *current) {
  using Kind = ast::Expr::Kind;
  if (!spend(e, 1))
    return bad(e);
  switch (e.kind) {
  case Kind::Number:
    return scalar(Value::Kind::Number, e.number, e.span);
  case Kind::Bool:
    return scalar(Value::Kind::Bool, e.number, e.span);
  case Kind::String: {
    Value value = bad(e);
    value.kind = Value::Kind::String;
    value.text = e.text;
    return value;
  }
  case Kind::Size:
  case Kind::List: {
    Value value = bad(e);
    value.kind = e.kind == Kind::Size ? Value::Kind::Size : Value::Kind::List;
    for (const ast::ExprPtr &item : e.items) {
      value.items.push_back(evaluate(*item, environment, current));
      if (value.items.back().bad())
        return bad(e);
      value.cells += value.items.back().cells;
    }
    if (value.items.size() > maxListLength)
      return wrong(e, "a list has at most " + std::to_string(maxListLength) + " entries");
    return value;
  }
  case Kind::Name:
    return name(e, environment, current);
  case Kind::Member:
    return member(e, current);
  case Kind::Call:
    return call(e, environment, current);
  case Kind::Tuple:
    return tuple(e, environment, current);
  case Kind::Unary: {
    Value a = evaluate(*e.items[0], environment, current);
    return a.bad() ? bad(e) : unary(e, a);
  }
  case Kind::Binary: {
    Value a = evaluate(*e.items[0], environment, current);
    bool decided = a.kind == Value::Kind::Bool && ((e.text == "and" && !a.number) || (e.text == "or" && a.number));
    if (decided)
      return scalar(Value::Kind::Bool, a.number, e.span);
    Value b = evaluate(*e.items[1], environment, current);
    return a.bad() || b.bad() ? bad(e) : binary(e, a, b);
  }
  case Kind::Select: {
    Value condition = evaluate(*e.items[0], environment, current);
    if (condition.bad())
      return bad(e);
    if (condition.kind != Value::Kind::Bool)
      return diagnostics.report(Diag::WrongType, e.items[0]->span, {"a condition", "true or false", describe(condition)}), bad(e);
    Value value = evaluate(condition.number ? *e.items[1] : *e.items[2], environment, current);
    value.span = e.span;
    return value;
  }
  }
  return bad(e);
}

Value Evaluator::name(const ast::Expr &e, const Environment &environment, const Current *current) {
  if (const Value *known = environment.find(e.text)) {
    if (!spend(e, known->cells))
      return bad(e);
    Value value = *known;
    value.span = e.span;
    return value;
  }
  Value value = bad(e);
  if (e.text == "it" && current) {
    if (current->bad)
      return value;
    value.kind = Value::Kind::Map;
    value.map = current->layer;
    return value;
  }
  if (words.count(e.text)) {
    value.kind = Value::Kind::Word;
    value.text = e.text;
    return value;
  }
  std::vector<std::string> known;
  environment.collect(known);
  auto &d = diagnostics.report(Diag::UnknownName, e.span, {e.text});
  if (!d.suggest(e.span, e.text, known))
    if (std::vector<std::string> others(words.begin(), words.end()); !d.suggest(e.span, e.text, {"true", "false"}))
      d.suggest(e.span, e.text, others);
  return value;
}

Value Evaluator::member(const ast::Expr &e, const Current *current) {
  std::string what = e.text.substr(e.text.find('.') + 1);
  if (e.text.rfind("in.", 0) == 0 && (what == "channels" || what == "height" || what == "width")) {
    if (!current || current->layer < 0) {
      if (!current || !current->bad)
        diagnostics.report(Diag::UnknownName, e.span, {e.text}).note("there is no feature map here");
      return bad(e);
    }
    if (current->bad)
      return bad(e);
    const MapShape &shape = current->shape;
    return scalar(Value::Kind::Number, double(what == "channels" ? shape.channels : what == "height" ? shape.height : shape.width), e.span);
  }
  auto &d = diagnostics.report(Diag::UnknownName, e.span, {e.text});
  if (e.text.rfind("in.", 0) == 0)
    d.help("a map has `in.channels`, `in.height` and `in.width`");
  return bad(e);
}

Value Evaluator::tuple(const ast::Expr &e, const Environment &environment, const Current *current) {
  Value value = bad(e);
  bool size = e.arguments.size() == 2 && !e.arguments[0].keyword && !e.arguments[1].keyword;
  value.kind = size ? Value::Kind::Size : Value::Kind::Call;
  for (const ast::Argument &argument : e.arguments) {
    value.items.push_back(evaluate(*argument.value, environment, current));
    value.keywords.push_back(argument.keyword ? argument.keyword->text : "");
    if (value.items.back().bad())
      return bad(e);
    if (size && value.items.back().kind != Value::Kind::Number)
      return diagnostics.report(Diag::WrongType, argument.value->span, {"each side of a size", "a number", describe(value.items.back())}), bad(e);
  }
  return value;
}

Value Evaluator::call(const ast::Expr &e, const Environment &environment, const Current *current) {
  Value value = bad(e);
  value.kind = Value::Kind::Call;
  value.text = e.text;
  for (const ast::Argument &argument : e.arguments) {
    value.items.push_back(evaluate(*argument.value, environment, current));
    value.keywords.push_back(argument.keyword ? argument.keyword->text : "");
    if (value.items.back().bad())
      return bad(e);
  }
  static const std::map<std::string, double (*)(double)> functions = {
      {"floor", std::floor}, {"ceil", std::ceil}, {"round", std::round}, {"sqrt", std::sqrt},
      {"exp", std::exp},     {"log", std::log},   {"abs", std::fabs}};
  auto numbers = [&](size_t n) {
    if (value.items.size() != n)
      return false;
    for (const Value &item : value.items)
      if (item.kind != Value::Kind::Number)
        return false;
    return true;
  };
  double result = 0;
  if (auto f = functions.find(e.text); f != functions.end() && numbers(1))
    result = f->second(value.items[0].number);
  else if (e.text == "min" && numbers(2))
    result = std::min(value.items[0].number, value.items[1].number);
  else if (e.text == "max" && numbers(2))
    result = std::max(value.items[0].number, value.items[1].number);
  else if (e.text == "pow" && numbers(2))
    result = std::pow(value.items[0].number, value.items[1].number);
  else if (e.text == "range" && numbers(2))
    return range(e, value.items[0].number, value.items[1].number);
  else if (words.count(e.text))
    return value;
  else {
    std::vector<std::string> known = {"floor", "ceil", "round", "sqrt", "exp", "log", "abs", "min", "max", "pow", "range"};
    std::string help = e.text == "range" ? "it has a first number and an end: range(0, 3) is [0, 1, 2]"
                       : std::find(known.begin(), known.end(), e.text) != known.end() ? "its arguments are numbers: one, or two for min, max, pow and range"
                                                                                   : didYouMean(e.text, known);
    auto &d = diagnostics.report(Diag::UnknownName, e.span, {e.text + "(...)"});
    if (!help.empty())
      d.help(help);
    return bad(e);
  }
  if (!std::isfinite(result))
    return wrong(e, "`" + e.text + "` of this is not a number");
  return scalar(Value::Kind::Number, result, e.span);
}

/// range(first, end): the whole numbers from `first` up to but not `end`.
Value Evaluator::range(const ast::Expr &e, double first, double end) {
  constexpr double longest = 10000;
  if (first != std::floor(first) || end != std::floor(end) || end - first > longest)
    return wrong(e, "`range` takes two whole numbers, at most 10000 apart");
  Value list = bad(e);
  list.kind = Value::Kind::List;
  for (double i = first; i < end; ++i)
    list.items.push_back(scalar(Value::Kind::Number, i, e.span));
  list.cells = 1 + list.items.size();
  return spend(e, list.cells) ? list : bad(e);
}

Value Evaluator::unary(const ast::Expr &e, const Value &a) {
  if (e.text == "not") {
    if (a.kind != Value::Kind::Bool)
      return diagnostics.report(Diag::WrongType, e.items[0]->span, {"the operand of `not`", "true or false", describe(a)}), bad(e);
    return scalar(Value::Kind::Bool, !a.number, e.span);
  }
  if (a.kind != Value::Kind::Number)
    return diagnostics.report(Diag::WrongType, e.items[0]->span, {"the operand of `-`", "a number", describe(a)}), bad(e);
  return scalar(Value::Kind::Number, -a.number, e.span);
}

Value Evaluator::arithmetic(const ast::Expr &e, double a, double b) {
  const std::string &op = e.text;
  if ((op == "/" || op == "//" || op == "%") && b == 0)
    return wrong(e, "division by zero");
  double r = op == "+" ? a + b : op == "-" ? a - b : op == "*" ? a * b : op == "/" ? a / b : op == "//" ? std::floor(a / b) : a - std::floor(a / b) * b;
  if (!std::isfinite(r))
    return wrong(e, "the result is out of range");
  return scalar(Value::Kind::Number, r, e.span);
}

Value Evaluator::binary(const ast::Expr &e, const Value &a, const Value &b) {
  using Kind = Value::Kind;
  const std::string &op = e.text;
  auto mismatch = [&] { return wrong(e, "`" + op + "` does not apply to " + describe(a) + " and " + describe(b)); };
  if (op == "and" || op == "or") {
    if (a.kind != Kind::Bool || b.kind != Kind::Bool)
      return mismatch();
    return scalar(Kind::Bool, op == "and" ? a.number && b.number : a.number || b.number, e.span);
  }
  if (op == "==" || op == "!=") {
    auto same = equal(a, b);
    return same ? scalar(Kind::Bool, *same == (op == "=="), e.span) : mismatch();
  }
  if (isComparison(op)) {
    bool numbers = a.kind == Kind::Number && b.kind == Kind::Number, strings = a.kind == Kind::String && b.kind == Kind::String;
    if (!numbers && !strings)
      return mismatch();
    double order = numbers ? (a.number < b.number ? -1 : a.number > b.number) : double(a.text.compare(b.text));
    return scalar(Kind::Bool, op == "<" ? order < 0 : op == "<=" ? order <= 0 : op == ">" ? order > 0 : order >= 0, e.span);
  }
  if (a.kind == Kind::Number && b.kind == Kind::Number)
    return arithmetic(e, a.number, b.number);
  if (op == "+" && a.kind == Kind::String && b.kind == Kind::String) {
    if (!spend(e, (a.text.size() + b.text.size()) / 16))
      return bad(e);
    Value value = a;
    value.text += b.text;
    value.span = e.span;
    return value;
  }
  if (op == "+" && a.kind == Kind::List && b.kind == Kind::List) {
    if (a.items.size() + b.items.size() > maxListLength)
      return wrong(e, "a list has at most " + std::to_string(maxListLength) + " entries");
    if (!spend(e, a.cells + b.cells))
      return bad(e);
    Value value = a;
    value.cells += b.cells;
    value.items.insert(value.items.end(), b.items.begin(), b.items.end());
    value.span = e.span;
    return value;
  }
  bool sizes = (a.kind == Kind::Size || a.kind == Kind::Number) && (b.kind == Kind::Size || b.kind == Kind::Number);
  if (!sizes)
    return mismatch();
  Value value = a.kind == Kind::Size ? a : b;
  value.span = e.span;
  for (size_t i = 0; i < 2; ++i) {
    double left = a.kind == Kind::Size ? a.items[i].number : a.number, right = b.kind == Kind::Size ? b.items[i].number : b.number;
    value.items[i] = arithmetic(e, left, right);
    if (value.items[i].bad())
      return bad(e);
  }
  return value;
}

} // namespace cnnc
