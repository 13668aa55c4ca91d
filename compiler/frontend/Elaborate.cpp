// The statements of a network: pipelines, blocks, residuals, branches, gates, loops, choices.
// In: the steps of the AST and the map that enters them.  Out: layers of the Network, and the map that leaves.
#include "compiler/frontend/Elaborate.h"
#include "compiler/support/Spelling.h"

#include <algorithm>

namespace cnnc {

Network Elaboration::run(const ast::Network &source) {
  network.name = source.name.text;
  Scope scope;
  if (source.layers.empty())
    diagnostics.report(Diag::NoLayers, source.name.span, {source.name.text}).help("begin with `input(channels, height, width)`");
  Current last = layers(source.layers, {}, globals, scope);
  finish(source, last);
  return std::move(network);
}

bool Elaboration::spendStep(const Span &span) {
  ++steps;
  if (steps > maxStepsAfterError && diagnostics.hasErrors())
    stopped = true; // what is worth saying has been said
  if (steps > maxSteps && !stopped) {
    stopped = true;
    diagnostics.report(Diag::LayerLimit, span, {"its loops and blocks make more than " + std::to_string(maxSteps) + " statements"});
  }
  return !stopped;
}

Current Elaboration::layers(const ast::Layers &list, Current in, const Environment &outer, Scope &scope) {
  Environment environment;
  environment.outer = &outer;
  Current outerStatement = statement;
  for (const ast::Step &s : list) {
    if (!spendStep(s.span)) {
      in.bad = true;
      break;
    }
    if (!statementFixed && (s.beginsStatement || s.kind != ast::Step::Kind::Layer))
      statement = in;
    in = step(s, in, environment, scope);
  }
  statement = outerStatement;
  return in;
}

Value Elaboration::evaluate(const ast::Expr &e, const Environment &environment, const Current &in) {
  Current seen = in;
  if (statement.layer >= 0) {
    seen.shape = statement.shape;
    seen.bad |= statement.bad;
  }
  return evaluator.evaluate(e, environment, &seen);
}

Current Elaboration::step(const ast::Step &s, Current in, Environment &environment, Scope &scope) {
  using Kind = ast::Step::Kind;
  bool needsMap = s.kind == Kind::Residual || s.kind == Kind::Gate || s.kind == Kind::Branch;
  if (needsMap && in.layer < 0 && !in.bad) {
    diagnostics.report(Diag::InputLayerPlace, s.span, {"the network must begin with its input"}).help("put `input(channels, height, width)` first");
    in.bad = true;
  }
  switch (s.kind) {
  case Kind::Layer: return call(s, in, environment, scope);
  case Kind::Residual: return residual(s, in, environment, scope);
  case Kind::Gate: return gate(s, in, environment, scope);
  case Kind::Branch: return branch(s, in, environment, scope);
  case Kind::Repeat: return repeat(s, in, environment, scope);
  case Kind::For: return forEach(s, in, environment, scope);
  case Kind::If: return choice(s, in, environment, scope);
  case Kind::Let: {
    environment.names[s.name.text] = s.value ? evaluate(*s.value, environment, in) : Value();
    return in;
  }
  case Kind::Unreadable: return poisoned(in);
  }
  return in;
}

Current Elaboration::repeat(const ast::Step &s, Current in, Environment &environment, Scope &scope) {
  Value times = s.value ? evaluate(*s.value, environment, in) : Value();
  if (times.bad())
    return poisoned(layers(s.bodies[0], in, environment, scope));
  if (!times.isInteger() || times.number < 0 || times.number > double(maxSteps)) {
    diagnostics.report(Diag::WrongType, times.span, {"the number of repetitions", "a whole number from 0 to " + std::to_string(maxSteps), describe(times)});
    return poisoned(layers(s.bodies[0], in, environment, scope));
  }
  for (int64_t i = 0; i < int64_t(times.number) && spendStep(s.span); ++i)
    in = layers(s.bodies[0], in, environment, scope);
  return in;
}

Current Elaboration::forEach(const ast::Step &s, Current in, Environment &environment, Scope &scope) {
  Value list = s.value ? evaluate(*s.value, environment, in) : Value();
  if (!list.bad() && list.kind != Value::Kind::List)
    diagnostics.report(Diag::WrongType, list.span, {"what `for` walks over", "a list", describe(list)})
        .help("[16, 32] and range(0, 3) are lists; `repeat 3 { ... }` repeats without counting");
  Environment inner;
  inner.outer = &environment;
  if (list.kind != Value::Kind::List) {
    inner.names[s.name.text] = Value();
    return poisoned(layers(s.bodies[0], in, inner, scope));
  }
  for (const Value &item : list.items) {
    if (!spendStep(s.span))
      break;
    inner.names[s.name.text] = item;
    in = layers(s.bodies[0], in, inner, scope);
  }
  return in;
}

std::optional<bool> Elaboration::condition(const ast::ExprPtr &e, const Environment &environment, const Current &in) {
  if (!e)
    return std::nullopt;
  Value value = evaluate(*e, environment, in);
  if (value.bad())
    return std::nullopt;
  if (value.kind != Value::Kind::Bool) {
    diagnostics.report(Diag::WrongType, value.span, {"a condition", "true or false", describe(value)});
    return std::nullopt;
  }
  return value.number != 0;
}

Current Elaboration::choice(const ast::Step &s, Current in, Environment &environment, Scope &scope) {
  for (size_t i = 0; i < s.bodies.size(); ++i) {
    std::optional<bool> chosen = i < s.conditions.size() ? condition(s.conditions[i], environment, in) : true;
    if (!chosen) { // any of the others may be meant
      for (; i < s.bodies.size(); ++i)
        layers(s.bodies[i], poisoned(in), environment, scope);
      return poisoned(in);
    }
    if (*chosen)
      return layers(s.bodies[i], in, environment, scope);
  }
  return in;
}

Current Elaboration::residual(const ast::Step &s, Current in, Environment &environment, Scope &scope) {
  Current body = layers(s.bodies[0], in, environment, scope);
  Current shortcut = in;
  bool taken = false;
  if (s.hasShortcut) {
    std::optional<bool> wanted = s.hasCondition ? condition(s.condition, environment, in) : true;
    if (!wanted) {
      layers(s.bodies[1], poisoned(in), environment, scope);
      return poisoned(body);
    }
    taken = *wanted;
    if (taken)
      shortcut = layers(s.bodies[1], in, environment, scope);
  }
  if (body.bad || shortcut.bad)
    return poisoned(body);
  bool same = body.shape.channels == shortcut.shape.channels && body.shape.height == shortcut.shape.height &&
              body.shape.width == shortcut.shape.width && body.shape.flat == shortcut.shape.flat;
  if (!same) {
    auto &d = diagnostics.report(Diag::ShapesDiffer, s.span, {"this residual"})
                  .label(s.span, "its body gives " + shapeText(body.shape) + ", its shortcut " + shapeText(shortcut.shape));
    const MapShape &from = in.shape, &to = body.shape;
    int64_t stride = to.height ? (from.height + to.height - 1) / to.height : 1;
    bool mended = !from.flat && !to.flat && (from.height - 1) / stride + 1 == to.height && (from.width - 1) / stride + 1 == to.width;
    std::string mend = "shortcut { conv(" + std::to_string(to.channels) + ", 1x1" + (stride == 1 ? "" : ", stride=" + std::to_string(stride)) + ") }";
    Span behind = s.end;
    behind.column += behind.length;
    behind.length = 0;
    if (!s.hasShortcut && mended)
      d.fix(behind, " " + mend, mend + " makes the two fit");
    else if (!taken && mended)
      d.help(mend + " makes the two fit: its condition is false here");
    bool shrunk = !from.flat && !to.flat && (to.height < from.height || to.width < from.width) && 2 * to.height > from.height + 1 && 2 * to.width > from.width + 1;
    if (shrunk)
      d.help("a window without padding makes the map smaller: pad=same keeps " + std::to_string(from.height) + "x" + std::to_string(from.width));
    d.note("the map that enters is " + shapeText(from) + ", from " + originOf(in));
    return body; // what is wrong behind it is wrong with this shape too
  }
  return join(s, "add", {body, shortcut}, scope);
}

Current Elaboration::branch(const ast::Step &s, Current in, Environment &environment, Scope &scope) {
  if (s.name.text != "concat" && s.name.text != "add") {
    auto &d = diagnostics.report(Diag::BranchForm, s.name.span, {"a branch joins its ways by `concat` or `add`, not by `" + s.name.text + "`"});
    d.suggest(s.name.span, s.name.text, {"concat", "add"});
    in.bad = true;
  }
  if (s.bodies.empty()) {
    diagnostics.report(Diag::BranchForm, s.span, {"a branch needs at least one way"}).help("branch concat { { conv(8, 1x1) } { maxpool(3x3, stride=1, pad=1) } }");
    return poisoned(in);
  }
  std::vector<Current> parts;
  bool bad = in.bad;
  for (const ast::Layers &body : s.bodies) {
    parts.push_back(layers(body, in, environment, scope));
    bad |= parts.back().bad;
  }
  if (bad)
    return poisoned(parts.back());
  return join(s, s.name.text, parts, scope);
}

Current Elaboration::join(const ast::Step &s, const std::string &kind, const std::vector<Current> &parts, Scope &scope) {
  MapShape shape = parts[0].shape;
  std::vector<int> inputs = {parts[0].layer};
  for (size_t i = 1; i < parts.size(); ++i) {
    const MapShape &other = parts[i].shape;
    bool fits = other.height == shape.height && other.width == shape.width && other.flat == shape.flat;
    if (!fits || (kind == "add" && other.channels != parts[0].shape.channels)) {
      std::string text;
      for (const Current &part : parts)
        text += (text.empty() ? "" : ", ") + shapeText(part.shape);
      auto &d = diagnostics.report(Diag::ShapesDiffer, s.span, {"this " + kind}).label(s.span, "the maps are " + text);
      d.note(kind == "add" ? "add needs the same channels, height and width" : "concat needs the same height and width");
      return parts[0];
    }
    if (kind == "concat")
      shape.channels += other.channels;
    inputs.push_back(parts[i].layer);
  }
  LayerBody body = AddLayer{};
  if (kind == "concat")
    body = ConcatLayer{};
  return push(s, nameFor(s, kind, scope), kind, body, inputs, shape);
}

Current Elaboration::gate(const ast::Step &s, Current in, Environment &environment, Scope &scope) {
  Current outerStatement = statement;
  bool outerFixed = statementFixed;
  statement = in;
  statementFixed = true;
  Current factors = layers(s.bodies[0], in, environment, scope);
  statement = outerStatement;
  statementFixed = outerFixed;
  if (in.bad || factors.bad)
    return poisoned(in);
  bool perChannel = factors.shape.channels == in.shape.channels && factors.shape.height == 1 && factors.shape.width == 1;
  if (!perChannel) {
    diagnostics.report(Diag::GateShape, s.span)
        .label(s.span, "it gives " + shapeText(factors.shape) + " for a map of " + shapeText(in.shape))
        .help("end it with dense(in.channels) -> sigmoid, where `in` is the map that enters the gate");
    return in;
  }
  return push(s, nameFor(s, "gate", scope), "gate", GateLayer{}, {in.layer, factors.layer}, in.shape);
}

std::string Elaboration::nameFor(const ast::Step &s, const std::string &kind, Scope &scope) {
  bool labelled = s.kind == ast::Step::Kind::Layer && s.label;
  std::string local = labelled ? s.label->text : kind + std::to_string(++scope.counts[kind]);
  if (!scope.taken.insert(local).second) {
    Span span = labelled ? s.label->span : s.span;
    diagnostics.report(Diag::LayerNameTaken, span, {scope.prefix + local})
        .help(labelled ? "inside repeat, for and blocks used twice leave the name out, or put the layer into a block" : "choose another name for the one that is named by hand");
  }
  return scope.prefix + local;
}

Current Elaboration::call(const ast::Step &s, Current in, Environment &environment, Scope &scope) {
  std::string name = s.name.text;
  // A variable may hold the name of a layer: block unit(f, act=relu) { conv(f, 3x3) -> act }
  if (const Value *value = environment.find(name)) {
    if (value->bad())
      return poisoned(in);
    if (value->kind == Value::Kind::Word)
      name = value->text;
  }
  if (in.layer < 0 && !in.bad && name != "input") {
    diagnostics.report(Diag::InputLayerPlace, s.span, {"the network must begin with its input"}).help("put `input(channels, height, width)` first");
    in.bad = true;
  }
  if (layerParameters(name))
    return layer(s, name, in, environment, scope);
  if (auto block = definitions.blocks.find(name); block != definitions.blocks.end())
    return useBlock(s, *block->second, in, environment, scope);
  if (auto program = definitions.activations.find(name); program != definitions.activations.end())
    return activation(s, *program->second, in, environment, scope);
  return unknownLayer(s, name, environment, in, scope);
}

Current Elaboration::unknownLayer(const ast::Step &s, const std::string &name, Environment &environment, Current in, Scope &scope) {
  std::vector<std::string> known = layerKinds();
  for (auto &[block, unused] : definitions.blocks)
    known.push_back(block);
  for (auto &[program, unused] : definitions.activations)
    known.push_back(program);
  auto &d = diagnostics.report(Diag::UnknownLayer, s.name.span, {name});
  d.suggest(name == s.name.text ? s.name.span : Span(), name, known);
  if (auto meant = nearest(name, known); meant && !environment.find(*meant)) { // its arguments, and what comes behind it, are judged as if it stood there
    ast::Step mended = s;
    mended.name.text = *meant;
    return call(mended, in, environment, scope);
  }
  for (const ast::Argument &argument : s.arguments)
    evaluate(*argument.value, environment, in);
  return poisoned(in);
}

Current Elaboration::useBlock(const ast::Step &s, const ast::Block &block, Current in, Environment &environment, Scope &scope) {
  if (std::find(openBlocks.begin(), openBlocks.end(), &block) != openBlocks.end() || openBlocks.size() >= maxBlockDepth) {
    if (openBlocks.size() >= maxBlockDepth)
      diagnostics.report(Diag::LayerLimit, s.span, {"blocks use blocks more than " + std::to_string(maxBlockDepth) + " deep"});
    else if (std::none_of(openBlocks.begin(), openBlocks.end(), [&](auto *open) { return definitions.rings.count(open) > 0; }))
      diagnostics.report(Diag::Recursion, s.name.span, {"block", block.name.text}) // by way of a variable: checkDefinitions() sees the others
          .secondary(block.name.span, "defined here");
    return poisoned(in);
  }
  std::vector<ParameterSpec> parameters;
  for (const ast::Parameter &p : block.parameters)
    parameters.push_back({p.name.text, p.value == nullptr});
  BoundArguments bound = bindArguments(block.name.text, s.span, s.arguments, parameters, diagnostics);
  Environment inner;
  inner.outer = &globals;
  bool bad = !bound.good;
  for (const ast::Parameter &p : block.parameters) {
    auto given = bound.given.find(p.name.text);
    Value value;
    if (given != bound.given.end())
      value = evaluate(*given->second->value, environment, in);
    else if (p.value)
      value = evaluate(*p.value, inner, in);
    inner.names[p.name.text] = value;
  }
  Scope own;
  std::string name = nameFor(s, block.name.text, scope);
  own.prefix = name + ".";
  if (bad)
    in.bad = true;
  openBlocks.push_back(&block);
  bool outerFixed = statementFixed;
  statementFixed = false;
  Current out = layers(block.layers, in, inner, own);
  statementFixed = outerFixed;
  openBlocks.pop_back();
  if (!out.bad && network.uses.size() < maxLayers) // blocks without layers have no other limit
    network.uses.push_back({name, block.name.text, out.shape, s.span});
  return out;
}

} // namespace cnnc
