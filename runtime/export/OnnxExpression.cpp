// Activations as ONNX operators: each scalar operator is a node, so that any activation of the language can leave home.
// In: an expression as abi.h writes it.  Out: nodes.
#include "runtime/Failure.h"
#include "runtime/export/Onnx.h"
#include <algorithm>
#include <nlohmann/json.hpp>

namespace rt {

using Json = nlohmann::json;

namespace {
class Expression {
public:
  Expression(OnnxGraph &graph, const std::string &x) : g(graph), x(x) {}

  /// A float.
  std::string number(const Json &e) {
    if (e.is_number())
      return g.number(e.get<double>());
    if (e.is_string())
      return x;
    if (isTruth(e))
      return g.node("Cast", {truth(e)}, {OnnxGraph::integer("to", 1)});
    const std::string op = e.at(0);
    const size_t arity = e.size() - 1;
    auto a = [&](size_t i) { return number(e.at(i + 1)); };
    if (op == "select" && arity == 3) {
      const std::string condition = truth(e.at(1));
      return g.node("Where", {condition, a(1), a(2)});
    }
    static const std::map<std::string, const char *> unary = {
        {"neg", "Neg"}, {"-", "Neg"}, {"exp", "Exp"}, {"log", "Log"}, {"sqrt", "Sqrt"}, {"abs", "Abs"}, {"sign", "Sign"}, {"tanh", "Tanh"},
        {"sigmoid", "Sigmoid"}, {"erf", "Erf"}, {"sin", "Sin"}, {"cos", "Cos"}, {"floor", "Floor"}, {"ceil", "Ceil"}};
    static const std::map<std::string, const char *> binary = {{"+", "Add"}, {"-", "Sub"}, {"*", "Mul"}, {"/", "Div"},
                                                               {"^", "Pow"}, {"pow", "Pow"}, {"min", "Min"}, {"max", "Max"}};
    if (arity == 1) {
      if (auto at = unary.find(op); at != unary.end())
        return g.node(at->second, {a(0)});
      if (op == "+")
        return a(0);
      if (op == "log1p")
        return g.node("Log", {g.node("Add", {a(0), g.number(1)})});
      if (op == "expm1")
        return g.node("Sub", {g.node("Exp", {a(0)}), g.number(1)});
      if (op == "rsqrt")
        return g.node("Reciprocal", {g.node("Sqrt", {a(0)})});
    }
    if (arity == 2) {
      const std::string left = a(0), right = a(1);
      if (auto at = binary.find(op); at != binary.end())
        return g.node(at->second, {left, right});
      const std::string quotient = op == "//" || op == "%" ? g.node("Floor", {g.node("Div", {left, right})}) : "";
      if (op == "//")
        return quotient;
      if (op == "%") // the sign of the divisor
        return g.node("Sub", {left, g.node("Mul", {right, quotient})});
    }
    fail(Exit::badModel, "the scalar function '{}' of {} arguments has no ONNX form", op, arity);
  }

private:
  static bool isTruth(const Json &e) {
    static const char *const names[] = {"<", "<=", ">", ">=", "==", "!=", "and", "or", "not"};
    return e.is_array() && std::any_of(std::begin(names), std::end(names), [&](const char *name) { return e.at(0) == name; });
  }
  std::string truth(const Json &e) {
    if (!isTruth(e)) // a number is true where it is not 0
      return g.node("Not", {g.node("Equal", {number(e), g.number(0)})});
    const std::string op = e.at(0);
    if (op == "not")
      return g.node("Not", {truth(e.at(1))});
    if (op == "and" || op == "or") {
      const std::string a = truth(e.at(1)), b = truth(e.at(2));
      return g.node(op == "and" ? "And" : "Or", {a, b});
    }
    const std::string a = number(e.at(1)), b = number(e.at(2));
    if (op == "!=")
      return g.node("Not", {g.node("Equal", {a, b})});
    return g.node(op == "<" ? "Less" : op == "<=" ? "LessOrEqual" : op == ">" ? "Greater" : op == ">=" ? "GreaterOrEqual" : "Equal", {a, b});
  }
  OnnxGraph &g;
  const std::string &x;
};
} // namespace

std::string onnxExpression(OnnxGraph &graph, const Json &e, const std::string &x) {
  static const Json relu = Json::parse(R"(["select", [">", "x", 0], "x", 0])");
  if (e == relu)
    return graph.node("Relu", {x});
  if (e.is_array() && e.size() == 4 && e[0] == "select" && e[1] == relu[1] && e[2] == "x" && e[3].is_array() && e[3].size() == 3 &&
      e[3][0] == "*" && e[3][1].is_number()) {
    if (e[3][2] == "x")
      return graph.node("LeakyRelu", {x}, {OnnxGraph::real("alpha", e[3][1])});
    if (e[3][2] == Json{"expm1", "x"})
      return graph.node("Elu", {x}, {OnnxGraph::real("alpha", e[3][1])});
  }
  // An expression without x, as a constant activation would be, still has x's shape.
  std::string result = Expression(graph, x).number(e);
  return e.is_number() ? graph.node("Add", {graph.node("Mul", {x, graph.number(0)}), result}) : result;
}

} // namespace rt
