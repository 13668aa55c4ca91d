// Scalar expressions that fold constants as they are made: x*0 = 0, x*1 = x, x+0 = x, `a if true else b` = a.
// In: an operator or function and its operands.  Out: the expression in its simplest form. (0*NaN is taken as 0: a hyper-parameter
// that is zero switches its term off.)
#include "compiler/frontend/ScalarPrograms.h"
#include "compiler/frontend/Evaluate.h"

#include <cmath>
#include <functional>

namespace cnnc {
namespace {

using Kind = ScalarExpr::Kind;

bool isNumber(const ScalarExprPtr &e) { return e->kind == Kind::Number; }
bool is(const ScalarExprPtr &e, double value) { return isNumber(e) && e->value == value; }

std::optional<double> compute(const std::string &f, double a, double b) {
  static const std::map<std::string, double (*)(double, double)> table = {
      {"+", [](double x, double y) { return x + y; }},
      {"-", [](double x, double y) { return x - y; }},
      {"*", [](double x, double y) { return x * y; }},
      {"/", [](double x, double y) { return x / y; }},
      {"//", [](double x, double y) { return std::floor(x / y); }},
      {"%", [](double x, double y) { return x - std::floor(x / y) * y; }},
      {"<", [](double x, double y) { return double(x < y); }},
      {"<=", [](double x, double y) { return double(x <= y); }},
      {">", [](double x, double y) { return double(x > y); }},
      {">=", [](double x, double y) { return double(x >= y); }},
      {"==", [](double x, double y) { return double(x == y); }},
      {"!=", [](double x, double y) { return double(x != y); }},
      {"and", [](double x, double y) { return double(x != 0 && y != 0); }},
      {"or", [](double x, double y) { return double(x != 0 || y != 0); }},
      {"pow", [](double x, double y) { return std::pow(x, y); }},
      {"min", [](double x, double y) { return std::min(x, y); }},
      {"max", [](double x, double y) { return std::max(x, y); }},
      {"neg", [](double x, double) { return -x; }},
      {"not", [](double x, double) { return double(x == 0); }},
      {"exp", [](double x, double) { return std::exp(x); }},
      {"log", [](double x, double) { return std::log(x); }},
      {"log1p", [](double x, double) { return std::log1p(x); }},
      {"expm1", [](double x, double) { return std::expm1(x); }},
      {"sqrt", [](double x, double) { return std::sqrt(x); }},
      {"rsqrt", [](double x, double) { return 1 / std::sqrt(x); }},
      {"abs", [](double x, double) { return std::fabs(x); }},
      {"sign", [](double x, double) { return double((x > 0) - (x < 0)); }},
      {"tanh", [](double x, double) { return std::tanh(x); }},
      {"sigmoid", [](double x, double) { return 1 / (1 + std::exp(-x)); }},
      {"erf", [](double x, double) { return std::erf(x); }},
      {"sin", [](double x, double) { return std::sin(x); }},
      {"cos", [](double x, double) { return std::cos(x); }},
      {"floor", [](double x, double) { return std::floor(x); }},
      {"ceil", [](double x, double) { return std::ceil(x); }},
  };
  auto it = table.find(f);
  if (it == table.end())
    return std::nullopt;
  double r = it->second(a, b);
  return std::isfinite(r) ? std::optional<double>(r) : std::nullopt;
}

/// Rules with one constant operand; null: none applies.
ScalarExprPtr simplify(const std::string &f, const std::vector<ScalarExprPtr> &a) {
  if (f == "+" && is(a[0], 0)) return a[1];
  if ((f == "+" || f == "-") && is(a[1], 0)) return a[0];
  if (f == "-" && is(a[0], 0)) return scalarCall("neg", {a[1]}, a[1]->span);
  if (f == "*" && (is(a[0], 0) || is(a[1], 0))) return scalarNumber(0);
  if (f == "*" && is(a[0], 1)) return a[1];
  if ((f == "*" || f == "/") && is(a[1], 1)) return a[0];
  if (f == "/" && is(a[0], 0)) return scalarNumber(0);
  if (f == "pow" && is(a[1], 0)) return scalarNumber(1);
  if ((f == "pow") && is(a[1], 1)) return a[0];
  if (f == "pow" && is(a[0], 1)) return scalarNumber(1);
  if (f == "and" && (is(a[0], 0) || is(a[1], 0))) return scalarNumber(0);
  if (f == "or" && ((isNumber(a[0]) && !is(a[0], 0)) || (isNumber(a[1]) && !is(a[1], 0)))) return scalarNumber(1);
  // An epoch is never negative: a warm-up of 0 vanishes.
  bool epoch = a[0]->kind == Kind::Variable && a[0]->name == "epoch";
  if (f == "<" && epoch && isNumber(a[1]) && a[1]->value <= 0) return scalarNumber(0);
  if (f == ">=" && epoch && isNumber(a[1]) && a[1]->value <= 0) return scalarNumber(1);
  return nullptr;
}

bool isOperator(const std::string &f) { return scalarArity(f) == 2 && (!std::isalpha(static_cast<unsigned char>(f[0])) || f == "and" || f == "or"); }

} // namespace

ScalarExprPtr scalarNumber(double value) {
  auto e = std::make_shared<ScalarExpr>();
  e->value = value;
  return e;
}

ScalarExprPtr scalarVariable(const std::string &name) {
  auto e = std::make_shared<ScalarExpr>();
  e->kind = Kind::Variable;
  e->name = name;
  return e;
}

size_t scalarArity(const std::string &name) {
  static const std::map<std::string, size_t> arities = {
      {"+", 2},     {"-", 2},    {"*", 2},    {"/", 2},     {"//", 2},   {"%", 2},       {"<", 2},   {"<=", 2},  {">", 2},   {">=", 2},
      {"==", 2},    {"!=", 2},   {"and", 2},  {"or", 2},    {"neg", 1},  {"not", 1},     {"exp", 1}, {"log", 1}, {"log1p", 1}, {"expm1", 1},
      {"sqrt", 1},  {"rsqrt", 1}, {"abs", 1}, {"sign", 1},  {"tanh", 1}, {"sigmoid", 1}, {"erf", 1}, {"sin", 1}, {"cos", 1}, {"pow", 2},
      {"min", 2},   {"max", 2},  {"floor", 1}, {"ceil", 1}};
  auto it = arities.find(name);
  return it == arities.end() ? 0 : it->second;
}

ScalarExprPtr scalarCall(const std::string &name, std::vector<ScalarExprPtr> args, const Span &span) {
  bool constant = true;
  for (const ScalarExprPtr &a : args)
    constant &= isNumber(a);
  if (constant)
    if (auto value = compute(name, args[0]->value, args.size() > 1 ? args[1]->value : 0))
      return scalarNumber(*value);
  if (args.size() == 2)
    if (ScalarExprPtr simple = simplify(name, args))
      return simple;
  auto e = std::make_shared<ScalarExpr>();
  e->kind = Kind::Call;
  e->name = name;
  e->args = std::move(args);
  e->span = span;
  return e;
}

ScalarExprPtr scalarSelect(ScalarExprPtr condition, ScalarExprPtr then, ScalarExprPtr otherwise, const Span &span) {
  if (isNumber(condition))
    return condition->value ? then : otherwise;
  auto e = std::make_shared<ScalarExpr>();
  e->kind = Kind::Select;
  e->args = {std::move(condition), std::move(then), std::move(otherwise)};
  e->span = span;
  return e;
}

std::string scalarText(const ScalarExprPtr &e) {
  switch (e->kind) {
  case Kind::Number: return numberText(e->value);
  case Kind::Variable: return e->name;
  case Kind::Select: return "(" + scalarText(e->args[1]) + " if " + scalarText(e->args[0]) + " else " + scalarText(e->args[2]) + ")";
  case Kind::Call: break;
  }
  if (e->name == "neg")
    return "-" + scalarText(e->args[0]);
  if (isOperator(e->name))
    return "(" + scalarText(e->args[0]) + " " + e->name + " " + scalarText(e->args[1]) + ")";
  std::string out = e->name + "(";
  for (size_t i = 0; i < e->args.size(); ++i)
    out += (i ? ", " : "") + scalarText(e->args[i]);
  return out + ")";
}

} // namespace cnnc
