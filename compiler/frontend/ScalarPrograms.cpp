// Scalar programs: definitions with their arguments filled in. Names become expressions, calls of other activations are inlined.
// In: an ast::Program and the values of its arguments.  Out: ActivationProgram, ScheduleProgram, OptimizerProgram.
#include "compiler/frontend/ScalarPrograms.h"
#include "compiler/support/Spelling.h"

#include <algorithm>

namespace cnnc {
namespace {
constexpr size_t maxNodes = 20000; ///< of one program, calls inlined
constexpr double pi = 3.14159265358979323846;

const std::vector<std::string> &functionNames() {
  static const std::vector<std::string> names = {"exp",  "log",     "log1p", "expm1", "sqrt", "rsqrt", "abs", "sign",  "tanh",
                                                 "sigmoid", "erf", "sin",   "cos",   "pow",  "min",   "max", "floor", "ceil"};
  return names;
}

void variablesOf(const ScalarExprPtr &e, std::set<std::string> &out) {
  if (e->kind == ScalarExpr::Kind::Variable)
    out.insert(e->name);
  for (const ScalarExprPtr &a : e->args)
    variablesOf(a, out);
}

/// Operands and all, as a tree: what sharing hides. Stops counting past maxNodes.
size_t treeSize(const ScalarExprPtr &e) {
  size_t size = 1;
  for (const ScalarExprPtr &a : e->args)
    if (size <= maxNodes)
      size += treeSize(a);
  return size;
}

/// Drops assignments and states that the new parameter does not depend on.
std::set<std::string> liveStates(const std::vector<OptimizerProgram::Assign> &body, const std::vector<OptimizerProgram::State> &states) {
  std::set<std::string> live;
  for (size_t before = live.size() + 1; before != live.size();) {
    before = live.size();
    std::set<std::string> needed = live;
    needed.insert("param");
    for (auto assign = body.rbegin(); assign != body.rend(); ++assign)
      if (needed.erase(assign->name))
        variablesOf(assign->value, needed);
    for (const OptimizerProgram::State &state : states)
      if (needed.count(state.name))
        live.insert(state.name);
  }
  return live;
}

std::vector<OptimizerProgram::Assign> liveBody(const std::vector<OptimizerProgram::Assign> &body, const std::set<std::string> &states) {
  std::set<std::string> needed = states;
  needed.insert("param");
  std::vector<OptimizerProgram::Assign> kept;
  for (auto assign = body.rbegin(); assign != body.rend(); ++assign)
    if (needed.erase(assign->name)) {
      variablesOf(assign->value, needed);
      kept.insert(kept.begin(), *assign);
    }
  return kept;
}

} // namespace

ScalarExprPtr ScalarCompiler::fail(const Span &span, const std::string &what, const std::string &help) {
  auto &d = diagnostics.report(Diag::ScalarProgram, span, {what});
  if (!help.empty())
    d.help(help);
  return nullptr;
}

bool ScalarCompiler::bind(const ast::Program &program, size_t first, const std::map<std::string, Value> &arguments, const Span &use, Names &names) {
  for (size_t i = first; i < program.parameters.size(); ++i) {
    const ast::Parameter &p = program.parameters[i];
    auto given = arguments.find(p.name.text);
    Meaning meaning;
    if (given == arguments.end()) {
      if (!p.value)
        return false; // reported where the arguments were bound
      meaning.expression = translate(*p.value, names);
      if (!meaning.expression)
        return false;
    } else if (given->second.kind == Value::Kind::Number || given->second.kind == Value::Kind::Bool) {
      meaning.expression = scalarNumber(given->second.number);
    } else if (given->second.kind == Value::Kind::List) {
      meaning.isList = true;
      for (const Value &item : given->second.items) {
        if (item.kind != Value::Kind::Number) {
          fail(item.span, "`" + p.name.text + "` is a list of numbers, and this is " + describe(item));
          return false;
        }
        meaning.list.push_back(item.number);
      }
    } else {
      fail(given->second.span, "`" + p.name.text + "` of " + program.name.text + " must be a number, and this is " + describe(given->second));
      return false;
    }
    names[p.name.text] = meaning;
  }
  return true;
}

ScalarExprPtr ScalarCompiler::translate(const ast::Expr &e, const Names &names) {
  using Kind = ast::Expr::Kind;
  if (++nodes > maxNodes)
    return fail(e.span, "the program is too long once its calls are written out");
  auto operands = [&](std::vector<ScalarExprPtr> &out) {
    for (const ast::ExprPtr &item : e.items)
      if (ScalarExprPtr x = translate(*item, names))
        out.push_back(x);
    return out.size() == e.items.size();
  };
  std::vector<ScalarExprPtr> args;
  switch (e.kind) {
  case Kind::Number:
  case Kind::Bool:
    return scalarNumber(e.number);
  case Kind::Name: {
    auto it = names.find(e.text);
    if (it != names.end() && !it->second.isList)
      nodes += treeSize(it->second.expression);
    if (nodes > maxNodes)
      return fail(e.span, "the program is too long once its calls are written out");
    if (it != names.end())
      return it->second.isList ? fail(e.span, "`" + e.text + "` is a list", "reached(" + e.text + ", epoch) counts its entries up to epoch")
                               : it->second.expression;
    if (e.text == "pi")
      return scalarNumber(pi);
    std::vector<std::string> known = {"pi"};
    for (auto &[name, unused] : names)
      known.push_back(name);
    diagnostics.report(Diag::UnknownName, e.span, {e.text}).suggest(e.span, e.text, known);
    return nullptr;
  }
  case Kind::Unary:
    return operands(args) ? scalarCall(e.text == "-" ? "neg" : "not", args, e.span) : nullptr;
  case Kind::Binary:
    return operands(args) ? scalarCall(e.text, args, e.span) : nullptr;
  case Kind::Select:
    return operands(args) ? scalarSelect(args[0], args[1], args[2], e.span) : nullptr;
  case Kind::Call:
    return call(e, names);
  default:
    return fail(e.span, "a scalar program is made of numbers alone");
  }
}

ScalarExprPtr ScalarCompiler::call(const ast::Expr &e, const Names &names) {
  if (e.text == "reached")
    return reached(e, names);
  if (e.text == "norm" && (inOptimizer || !definitions.activations.count("norm")))
    return norm(e, names);
  bool isFunction = std::find(functionNames().begin(), functionNames().end(), e.text) != functionNames().end();
  if (!isFunction) {
    bool inPrelude = !open.empty() && open.back()->name.span.file->path == "<prelude>";
    const auto &table = inPrelude ? definitions.builtinActivations : definitions.activations;
    auto program = table.find(e.text);
    if (program != table.end())
      return useActivation(e, *program->second, names);
    std::vector<std::string> known = functionNames();
    if (inOptimizer)
      known.push_back("norm");
    for (auto &[name, unused] : definitions.activations)
      known.push_back(name);
    Span name = e.span;
    name.length = std::min<uint32_t>(name.length, uint32_t(e.text.size()));
    diagnostics.report(Diag::UnknownName, e.span, {e.text + "(...)"}).suggest(name, e.text, known);
    return nullptr;
  }
  size_t arity = scalarArity(e.text);
  bool variadic = e.text == "min" || e.text == "max";
  if (variadic ? e.arguments.size() < arity : e.arguments.size() != arity)
    return fail(e.span, "`" + e.text + "` takes " + plural(arity, "operand") + (variadic ? " or more" : "") + ", and here are " + std::to_string(e.arguments.size()));
  std::vector<ScalarExprPtr> args;
  for (const ast::Argument &argument : e.arguments) {
    if (argument.keyword)
      return fail(argument.keyword->span, "the operands of `" + e.text + "` have no names");
    ScalarExprPtr x = translate(*argument.value, names);
    if (!x)
      return nullptr;
    args.push_back(x);
  }
  if (!variadic)
    return scalarCall(e.text, args, e.span);
  ScalarExprPtr result = args[0];
  for (size_t i = 1; i < args.size(); ++i)
    result = scalarCall(e.text, {result, args[i]}, e.span);
  return result;
}

/// norm(e): one number for the tensor that is updated.
ScalarExprPtr ScalarCompiler::norm(const ast::Expr &e, const Names &names) {
  if (!inOptimizer)
    return fail(e.span, "`norm` is of optimizers alone: it measures all elements of the tensor that is updated, and there is none here");
  if (inNorm)
    return fail(e.span, "a norm within a norm: the inner one is one number for the whole tensor", "if that is meant, give it a line and a name of its own: size = norm(...)");
  if (e.arguments.size() != 1 || e.arguments[0].keyword)
    return fail(e.span, "`norm` takes 1 operand without a name, and here are " + std::to_string(e.arguments.size()), "norm(param) is the length of the whole tensor");
  inNorm = true;
  ScalarExprPtr x = translate(*e.arguments[0].value, names);
  inNorm = false;
  if (!x)
    return nullptr;
  return x->kind == ScalarExpr::Kind::Number && x->value == 0 ? x : scalarCall("norm", {x}, e.span);
}

/// reached(list, x): how many entries of the list are at most x.
ScalarExprPtr ScalarCompiler::reached(const ast::Expr &e, const Names &names) {
  if (e.arguments.size() != 2 || e.arguments[0].value->kind != ast::Expr::Kind::Name)
    return fail(e.span, "write reached(list, epoch), where `list` is an argument of the schedule");
  auto list = names.find(e.arguments[0].value->text);
  ScalarExprPtr x = translate(*e.arguments[1].value, names);
  if (!x || list == names.end())
    return x ? fail(e.arguments[0].value->span, "`" + e.arguments[0].value->text + "` is not an argument") : nullptr;
  if (!list->second.isList) {
    bool placeholder = list->second.expression->kind == ScalarExpr::Kind::Variable;
    return placeholder ? list->second.expression : fail(e.arguments[0].value->span, "`" + list->first + "` must be a list");
  }
  ScalarExprPtr sum = scalarNumber(0);
  for (double entry : list->second.list) {
    if (++nodes > maxNodes)
      return fail(e.span, "the list is too long");
    sum = scalarCall("+", {sum, scalarSelect(scalarCall(">=", {x, scalarNumber(entry)}, e.span), scalarNumber(1), scalarNumber(0), e.span)}, e.span);
  }
  return sum;
}

ScalarExprPtr ScalarCompiler::useActivation(const ast::Expr &e, const ast::Program &program, const Names &names) {
  if (std::find(open.begin(), open.end(), &program) != open.end()) {
    diagnostics.report(Diag::Recursion, e.span, {"activation", program.name.text});
    return nullptr;
  }
  Names inner;
  size_t next = 0;
  for (const ast::Argument &argument : e.arguments) {
    if (argument.keyword || next >= program.parameters.size())
      return fail(e.span, "inside a program `" + program.name.text + "` takes up to " + plural(program.parameters.size(), "positional argument"));
    ScalarExprPtr x = translate(*argument.value, names);
    if (!x)
      return nullptr;
    inner[program.parameters[next++].name.text] = {x, {}, false};
  }
  for (; next < program.parameters.size(); ++next) {
    const ast::Parameter &p = program.parameters[next];
    if (!p.value)
      return fail(e.span, "`" + program.name.text + "` needs the argument `" + p.name.text + "`");
    ScalarExprPtr x = translate(*p.value, inner);
    if (!x)
      return nullptr;
    inner[p.name.text] = {x, {}, false};
  }
  open.push_back(&program);
  ScalarExprPtr result = translate(*program.updates[0].value, inner);
  open.pop_back();
  return result;
}

std::optional<ActivationProgram> ScalarCompiler::activation(const ast::Program &program, const std::map<std::string, Value> &arguments, const Span &use) {
  if (program.parameters.empty()) {
    fail(program.name.span, "an activation needs a variable", "activation " + program.name.text + "(x) = ...");
    return std::nullopt;
  }
  Names names;
  names[program.parameters[0].name.text] = {scalarVariable("x"), {}, false};
  if (!bind(program, 1, arguments, use, names))
    return std::nullopt;
  open.push_back(&program);
  ScalarExprPtr body = translate(*program.updates[0].value, names);
  open.pop_back();
  if (!body)
    return std::nullopt;
  return ActivationProgram{program.name.text, body};
}

std::optional<ScheduleProgram> ScalarCompiler::schedule(const ast::Program &program, const std::map<std::string, Value> &arguments, const Span &use,
                                                        double delay) {
  Names names;
  for (const char *variable : {"epoch", "epochs"}) // both counted from the delay on
    names[variable] = {scalarCall("-", {scalarVariable(variable), scalarNumber(delay)}, use), {}, false};
  if (!bind(program, 0, arguments, use, names))
    return std::nullopt;
  ScalarExprPtr factor = translate(*program.updates[0].value, names);
  if (!factor)
    return std::nullopt;
  return ScheduleProgram{program.name.text, factor};
}

bool ScalarCompiler::assignments(const ast::Program &program, Names names, OptimizerProgram &out, std::vector<OptimizerProgram::Assign> &body) {
  static const std::set<std::string> given = {"grad", "lr", "step"};
  out.states.clear();
  bool assigned = false;
  for (const ast::Update &update : program.updates) {
    const std::string &name = update.name.text;
    bool isArgument = std::any_of(program.parameters.begin(), program.parameters.end(), [&](auto &p) { return p.name.text == name; });
    if (given.count(name) || isArgument || (update.isState && name == "param"))
      return fail(update.name.span, "`" + name + "` is given from outside and cannot be set") != nullptr;
    inOptimizer = true;
    ScalarExprPtr value = translate(*update.value, names);
    inOptimizer = false;
    if (!value)
      return false;
    if (update.isState) {
      bool again = std::any_of(out.states.begin(), out.states.end(), [&](auto &s) { return s.name == name; });
      if (value->kind != ScalarExpr::Kind::Number || again || names.count(name))
        return fail(update.value->span, again || names.count(name) ? "the state `" + name + "` comes before everything else of that name, and once"
                                                                  : "a state begins with a constant") != nullptr;
      out.states.push_back({name, value->value});
      names[name] = {scalarVariable(name), {}, false};
    } else {
      body.push_back({name, value});
      names[name] = {value->kind == ScalarExpr::Kind::Number ? value : scalarVariable(name), {}, false};
      assigned |= name == "param";
    }
  }
  if (!assigned)
    return fail(program.name.span, "an optimizer sets `param`", "param = param - lr * grad") != nullptr;
  return true;
}

std::optional<OptimizerProgram> ScalarCompiler::optimizer(const ast::Program &program, const std::map<std::string, Value> &arguments, const Span &use) {
  Names names;
  if (!bind(program, 0, arguments, use, names))
    return std::nullopt;
  OptimizerProgram out;
  out.name = program.name.text;
  out.lr = 1;
  for (const ast::Parameter &p : program.parameters) {
    const Meaning &meaning = names[p.name.text];
    if (meaning.isList || meaning.expression->kind != ScalarExpr::Kind::Number) {
      fail(use, "the argument `" + p.name.text + "` of an optimizer is a number");
      return std::nullopt;
    }
    out.args[p.name.text] = meaning.expression->value;
    if (p.name.text == "lr")
      out.lr = meaning.expression->value;
  }
  for (const char *variable : {"param", "grad", "lr", "step"})
    names[variable] = {scalarVariable(variable), {}, false};
  if (!assignments(program, names, out, out.body))
    return std::nullopt;
  if (names.count("weight_decay"))
    names["weight_decay"] = {scalarNumber(0), {}, false};
  if (!assignments(program, names, out, out.bodyNoDecay))
    return std::nullopt;

  std::set<std::string> live = liveStates(out.body, out.states), liveNoDecay = liveStates(out.bodyNoDecay, out.states);
  live.insert(liveNoDecay.begin(), liveNoDecay.end());
  out.states.erase(std::remove_if(out.states.begin(), out.states.end(), [&](auto &s) { return !live.count(s.name); }), out.states.end());
  out.body = liveBody(out.body, live);
  out.bodyNoDecay = liveBody(out.bodyNoDecay, live);
  return out;
}

void ScalarCompiler::check(const ast::Program &program) {
  Names names;
  bool activation = program.kind == ast::Program::Kind::Activation, schedule = program.kind == ast::Program::Kind::Schedule;
  if (activation && program.parameters.empty()) {
    fail(program.name.span, "an activation needs a variable", "activation " + program.name.text + "(x) = ...");
    return;
  }
  if (schedule)
    for (const char *variable : {"epoch", "epochs"})
      names[variable] = {scalarVariable(variable), {}, false};
  for (const ast::Parameter &p : program.parameters) {
    if (p.value && !translate(*p.value, names))
      return;
    names[p.name.text] = {scalarVariable(p.name.text), {}, false};
  }
  if (activation || schedule) {
    open.push_back(&program);
    translate(*program.updates[0].value, names);
    open.pop_back();
    return;
  }
  for (const char *variable : {"param", "grad", "lr", "step"})
    names[variable] = {scalarVariable(variable), {}, false};
  OptimizerProgram out;
  assignments(program, names, out, out.body);
}

} // namespace cnnc
