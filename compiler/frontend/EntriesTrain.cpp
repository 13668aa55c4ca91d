// The train and tune blocks.
// In: the section of the AST, the network and its data.  Out: Train; the defaults are those of a PyTorch user.
#include "compiler/frontend/Entries.h"
#include "compiler/frontend/ScalarPrograms.h"
#include "compiler/support/Spelling.h"

#include <algorithm>
#include <tuple>

namespace cnnc {
namespace {
constexpr int64_t maxEpochs = 1000000, maxBatch = 1 << 20;
constexpr double maxSeed = 9007199254740992.0; // 2^53: what a number holds exactly

} // namespace

Train Entries::train(Network &network, const std::optional<Data> &data) {
  Train train;
  Table table;
  if (definitions.train)
    table = entriesOf(*definitions.train, "train", entryNames("train"));
  train.epochs = integer(table, "epochs", train.epochs, 1, maxEpochs);
  train.batch = integer(table, "batch", train.batch, 1, maxBatch);
  train.seed = uint64_t(integer(table, "seed", 1, 0, int64_t(maxSeed)));
  auto entry = [&](const char *name) { return table.count(name) ? table[name] : nullptr; };
  classCount = network.classes;
  optimizer(entry("optimizer"), train);
  schedule(entry("schedule"), train, data);
  if (auto *e = entry("loss"))
    loss(*e, train);
  if (auto *e = entry("clip"))
    clip(*e, train);
  if (auto *e = entry("precision"))
    precision(*e, train);
  if (auto *e = entry("no_decay"))
    noDecay(*e, network);
  if (auto *e = entry("keep"))
    keep(*e, train, data);
  if (auto *e = entry("stop"))
    stop(*e, train, data);
  loads(train, network);
  if (auto *e = entry("freeze"))
    freeze(*e, train, network);
  return train;
}

bool Entries::arguments(const ast::Expr &e, const ast::Program &program, std::map<std::string, Value> &values) {
  std::vector<ParameterSpec> parameters;
  for (const ast::Parameter &p : program.parameters)
    parameters.push_back({p.name.text, p.value == nullptr});
  BoundArguments bound = bindArguments(program.name.text, e.span, e.arguments, parameters, diagnostics);
  bool good = bound.good;
  for (auto &[name, argument] : bound.given) {
    values[name] = evaluator.evaluate(*argument->value, globals, nullptr);
    good &= !values[name].bad();
  }
  return good;
}

void Entries::optimizer(const ast::Entry *entry, Train &train) {
  ScalarCompiler compiler(definitions, diagnostics);
  std::map<std::string, Value> values;
  if (!entry) { // PyTorch's Adam: it trains most things without a choice
    if (auto program = compiler.optimizer(*definitions.optimizers.at("adam"), values, {}))
      train.optimizer = *program;
    return;
  }
  const ast::Expr &e = *entry->value;
  std::string name = choose(e, "optimizer", entryWords("train", "optimizer", definitions));
  if (name.empty() || !arguments(e, *definitions.optimizers.at(name), values))
    return;
  for (auto &[argument, value] : values)
    if (value.kind == Value::Kind::Number && value.number < 0) {
      diagnostics.report(Diag::EntryValue, value.span, {"`" + argument + "`", "0 or more"}).label(value.span, "this is " + numberText(value.number));
      return;
    }
  auto program = compiler.optimizer(*definitions.optimizers.at(name), values, e.span);
  if (!program)
    return;
  if (program->lr == 0)
    diagnostics.report(Diag::ZeroLearningRate, values.count("lr") ? values["lr"].span : e.span)
        .help("the usual beginnings are 0.1 to 0.01 with sgd, and 1e-3 with adam");
  train.optimizer = *program;
}

/// warmup(schedule, epochs=5, start=0): what PyTorch makes of LinearLR and SequentialLR.
std::optional<Entries::WarmUp> Entries::warmup(const ast::Expr &e) {
  BoundArguments bound = bindArguments("warmup", e.span, e.arguments, entryParameters("warmup", definitions), diagnostics);
  if (!bound.good)
    return std::nullopt;
  WarmUp warm{bound.given["schedule"]->value, 0, 0};
  for (auto [name, target, most] : {std::make_tuple("epochs", &warm.epochs, double(maxEpochs)), std::make_tuple("start", &warm.start, 1.0)}) {
    if (!bound.given.count(name))
      continue;
    auto given = numbers(*bound.given[name], name);
    if (given.size() != 1 || !(given[0] >= 0 && given[0] <= most)) {
      if (!given.empty())
        wrong(*bound.given[name]->value, name, "a number from 0 to " + numberText(most));
      return std::nullopt;
    }
    *target = given[0];
  }
  return warm;
}

/// plateau(val.loss, factor=0.1, patience=10, ...): falls of the rate on top of `schedule`, decided by the runtime after each epoch.
std::optional<Plateau> Entries::plateau(const ast::Expr &e, const std::optional<Data> &data, ast::ExprPtr &then) {
  BoundArguments bound = bindArguments("plateau", e.span, e.arguments, entryParameters("plateau", definitions), diagnostics);
  bool good = bound.good;
  auto number = [&](const char *name, double otherwise, auto fits, const char *expected) {
    if (!bound.given.count(name))
      return otherwise;
    auto given = numbers(*bound.given[name], name);
    if (given.size() == 1 && fits(given[0]))
      return given[0];
    if (!given.empty())
      wrong(*bound.given[name]->value, name, expected);
    good = false;
    return otherwise;
  };
  auto whole = [](double v) { return v >= 0 && v <= double(maxEpochs) && v == double(int64_t(v)); };
  Plateau p;
  if (bound.given.count("metric")) {
    p.metric = metric(*bound.given["metric"]->value, data);
    good &= !p.metric.empty();
  } else if (bound.good) {
    needValidation(p.metric, e.span, data);
  }
  p.factor = number("factor", p.factor, [](double v) { return v > 0 && v < 1; }, "a number between 0 and 1");
  p.patience = int64_t(number("patience", double(p.patience), whole, "a whole number of epochs"));
  p.cooldown = int64_t(number("cooldown", double(p.cooldown), whole, "a whole number of epochs"));
  p.threshold = number("threshold", p.threshold, [](double v) { return v >= 0 && v < 1; }, "a number from 0 up to but not 1");
  p.floor = number("floor", p.floor, [](double v) { return v >= 0 && v < 1; }, "a number from 0 up to but not 1");
  if (bound.given.count("schedule"))
    then = bound.given["schedule"]->value;
  return good ? std::optional<Plateau>(p) : std::nullopt;
}

void Entries::schedule(const ast::Entry *entry, Train &train, const std::optional<Data> &data) {
  ScalarCompiler compiler(definitions, diagnostics);
  std::map<std::string, Value> values;
  std::string name = "constant";
  Span use;
  std::optional<WarmUp> warmUp;
  ast::ExprPtr e = entry ? entry->value : nullptr;
  auto isForm = [&](const char *form) {
    bool named = e && (e->kind == ast::Expr::Kind::Call || e->kind == ast::Expr::Kind::Name);
    return named && e->text == form && !definitions.schedules.count(form);
  };
  if (isForm("plateau")) {
    ast::ExprPtr then;
    train.plateau = plateau(*e, data, then);
    if (!train.plateau)
      return;
    e = then;
  }
  if (isForm("warmup")) {
    warmUp = warmup(*e);
    if (!warmUp)
      return;
    e = warmUp->then;
  }
  if (e) {
    use = e->span;
    name = choose(*e, "schedule", entryWords("train", "schedule", definitions));
    if (name == "warmup" || name == "plateau") {
      wrong(*e, "schedule", "plateau(..., schedule=warmup(cosine, epochs=5)) where there are several: plateau outside, warmup within it");
      return;
    }
    if (name.empty() || !arguments(*e, *definitions.schedules.at(name), values))
      return;
  }
  auto program = compiler.schedule(*definitions.schedules.at(name), values, use, warmUp ? warmUp->epochs : 0);
  if (!program)
    return;
  train.schedule = *program;
  if (!warmUp)
    return;
  // start + (1 - start) * epoch / E before epoch E
  ScalarExprPtr epoch = scalarVariable("epoch"), E = scalarNumber(warmUp->epochs), start = scalarNumber(warmUp->start);
  ScalarExprPtr rising = scalarCall("+", {start, scalarCall("/", {scalarCall("*", {scalarNumber(1 - warmUp->start), epoch}, use), E}, use)}, use);
  train.schedule.factor = scalarSelect(scalarCall("<", {epoch, E}, use), rising, program->factor, use);
}

void Entries::loss(const ast::Entry &entry, Train &train) {
  const ast::Expr &e = *entry.value;
  std::string kind = choose(e, "loss", entryWords("train", "loss", definitions));
  if (kind.empty())
    return;
  const LossArgument &own = lossArgument(kind);
  BoundArguments bound = bindArguments(kind, e.span, e.arguments, entryParameters(kind, definitions), diagnostics);
  train.loss = kind;
  if (!own.name.empty())
    train.lossArgs[own.name] = own.otherwise;
  for (auto &[name, argument] : bound.given) {
    Value value = evaluator.evaluate(*argument->value, globals, nullptr);
    bool isNumber = value.kind == Value::Kind::Number;
    if (value.bad())
      continue;
    if (name == "weights")
      classWeights(*argument->value, value, train);
    else if (name == "smoothing" && isNumber && value.number >= 0 && value.number < 1)
      train.smoothing = value.number;
    else if (name == "smoothing")
      wrong(*argument->value, "smoothing", "a number from 0 up to but not 1");
    else if (isNumber && value.number >= own.least && (own.least > 0 || value.number > 0))
      train.lossArgs[name] = value.number;
    else
      wrong(*argument->value, name, own.least > 0 ? "a number of at least " + numberText(own.least) : "a number greater than 0");
  }
}

/// One weight a class, as many as the network has classes.
void Entries::classWeights(const ast::Expr &e, const Value &value, Train &train) {
  std::vector<double> weights;
  for (const Value &item : value.items)
    if (item.kind == Value::Kind::Number && item.number > 0)
      weights.push_back(item.number);
  bool fits = value.kind == Value::Kind::List && weights.size() == value.items.size() && int64_t(weights.size()) == classCount;
  if (!fits && classCount > 0)
    wrong(e, "weights", "a list of " + std::to_string(classCount) + " numbers greater than 0, one a class");
  else if (fits)
    train.classWeights = weights;
}

void Entries::clip(const ast::Entry &entry, Train &train) {
  const ast::Expr &e = *entry.value;
  std::string kind = choose(e, "clip", entryWords("train", "clip", definitions));
  if (kind.empty() || kind == "none")
    return;
  std::vector<double> limit;
  for (const ast::Argument &argument : e.arguments)
    for (double number : numbers(argument, "clip"))
      limit.push_back(number);
  if (limit.size() != 1 || !(limit[0] > 0)) {
    wrong(e, "clip", "norm(limit) or value(limit) with a limit greater than 0");
    return;
  }
  train.clip = kind == "norm" ? Train::Clip::Norm : Train::Clip::Value;
  train.clipLimit = limit[0];
}

void Entries::precision(const ast::Entry &entry, Train &train) {
  train.precision = precisionOf(choose(*entry.value, "precision", entryWords("train", "precision", definitions)));
}

void Entries::noDecay(const ast::Entry &entry, Network &network) {
  const ast::Expr &e = *entry.value;
  std::vector<std::string> chosen;
  std::vector<ast::ExprPtr> items = e.kind == ast::Expr::Kind::List ? e.items : std::vector<ast::ExprPtr>{entry.value};
  for (const ast::ExprPtr &item : items) {
    std::string name = choose(*item, "kind of parameter", entryWords("train", "no_decay", definitions));
    if (!name.empty())
      chosen.push_back(name);
  }
  auto has = [&](const std::string &name) { return std::find(chosen.begin(), chosen.end(), name) != chosen.end(); };
  auto exclude = [&](int index) {
    if (index >= 0)
      network.tensors[size_t(index)].decay = false;
  };
  for (Tensor &tensor : network.tensors)
    if (has("bias") && tensor.kind == Tensor::Kind::Bias)
      tensor.decay = false;
  for (const Layer &layer : network.layers) {
    if (auto *norm = std::get_if<BatchNormLayer>(&layer.body); norm && has("batchnorm"))
      exclude(norm->weight), exclude(norm->bias);
    if (auto *norm = std::get_if<GroupNormLayer>(&layer.body); norm && has("groupnorm"))
      exclude(norm->weight), exclude(norm->bias);
    if (auto *norm = std::get_if<LayerNormLayer>(&layer.body); norm && has("layernorm"))
      exclude(norm->weight), exclude(norm->bias);
    if (auto *scale = std::get_if<LayerScaleLayer>(&layer.body); scale && has("layer_scale"))
      exclude(scale->weight);
    if (auto *prelu = std::get_if<PreluLayer>(&layer.body); prelu && has("prelu"))
      exclude(prelu->weight);
  }
}

std::string Entries::metric(const ast::Expr &e, const std::optional<Data> &data) {
  const std::vector<std::string> &known = metricNames();
  if (e.kind != ast::Expr::Kind::Member || std::find(known.begin(), known.end(), e.text) == known.end()) {
    auto &d = diagnostics.report(Diag::UnknownChoice, e.span, {"measure", e.text.empty() ? "?" : e.text});
    if (!d.suggest(e.span, e.text, known))
      d.help("val.accuracy, val.loss, train.accuracy or train.loss");
    return "";
  }
  needValidation(e.text, e.span, data);
  return e.text;
}

void Entries::needValidation(const std::string &metric, const Span &at, const std::optional<Data> &data) {
  bool noValidation = data && !data->val && data->valSplit == 0;
  if (metric.rfind("val.", 0) == 0 && noValidation && !diagnostics.hasErrors())
    diagnostics.report(Diag::NoValidation, at, {metric}).help("val = split(0.1) in the data block holds a tenth of the training set out");
}

void Entries::keep(const ast::Entry &entry, Train &train, const std::optional<Data> &data) {
  const ast::Expr &e = *entry.value;
  if (e.kind == ast::Expr::Kind::Name && (e.text == "last" || e.text == "none"))
    return;
  if (e.kind == ast::Expr::Kind::Call && e.text == "best" && e.arguments.size() == 1 && !e.arguments[0].keyword)
    train.keepMetric = metric(*e.arguments[0].value, data);
  else
    wrong(e, "keep", "last, or best(val.accuracy)");
}

void Entries::stop(const ast::Entry &entry, Train &train, const std::optional<Data> &data) {
  const ast::Expr &e = *entry.value;
  if (e.kind == ast::Expr::Kind::Name && e.text == "none")
    return;
  if (e.kind != ast::Expr::Kind::Call || e.text != "no_better") {
    wrong(e, "stop", "none, or no_better(val.loss, epochs=5)");
    return;
  }
  BoundArguments bound = bindArguments("no_better", e.span, e.arguments, entryParameters("no_better", definitions), diagnostics);
  if (!bound.good)
    return;
  std::string name = metric(*bound.given["metric"]->value, data);
  auto epochs = numbers(*bound.given["epochs"], "epochs");
  if (epochs.size() != 1 || epochs[0] < 1 || epochs[0] > double(maxEpochs) || epochs[0] != double(int64_t(epochs[0]))) {
    if (!epochs.empty())
      wrong(*bound.given["epochs"]->value, "epochs", "a whole number of at least 1");
    return;
  }
  train.stopMetric = name;
  train.stopEpochs = int64_t(epochs[0]);
}

void Entries::tune() {
  if (!definitions.tune)
    return;
  std::vector<std::string> known = entryNames("tune");
  for (const ast::Param *param : definitions.params)
    known.push_back(param->name.text);
  Table table = entriesOf(*definitions.tune, "tune", known);
  integer(table, "trials", 1, 1, maxEpochs);
  for (auto &[name, entry] : table)
    if (name == "metric")
      choose(*entry->value, "metric", entryWords("tune", name, definitions));
    else if (name != "trials")
      choose(*entry->value, "search", entryWords("tune", name, definitions));
}

} // namespace cnnc
