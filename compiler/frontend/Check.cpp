// check(): parse, load, evaluate params, elaborate the networks, read the data and train blocks.
// In: a source file and the command line's overrides.  Out: Networks, or diagnostics.
#include "compiler/frontend/BigStack.h"
#include "compiler/frontend/Elaborate.h"
#include "compiler/frontend/Entries.h"
#include "compiler/frontend/Frontend.h"
#include "compiler/frontend/Load.h"
#include "compiler/frontend/Parse.h"
#include "compiler/frontend/Warnings.h"
#include "compiler/support/Spelling.h"

#include <algorithm>

namespace cnnc {
namespace {

/// Bare names that stand for themselves where no variable hides them.
std::set<std::string> wordsOf(const Definitions &definitions) {
  std::set<std::string> words = {"same", "narrow", "valid", "wide", "full", "map", "channels"};
  for (const std::string &name : initNames())
    words.insert(name);
  for (const std::string &kind : layerKinds())
    words.insert(kind);
  for (auto &[name, unused] : definitions.activations)
    words.insert(name);
  for (auto &[name, unused] : definitions.blocks)
    words.insert(name);
  return words;
}

void evaluateParams(const Definitions &definitions, const FrontendOptions &options, Evaluator &evaluator, Environment &globals, DiagnosticEngine &diagnostics) {
  std::map<std::string, Value> given;
  for (auto &[name, text] : options.params) {
    auto known = std::find_if(definitions.params.begin(), definitions.params.end(), [&, n = name](auto *p) { return p->name.text == n; });
    if (known == definitions.params.end()) {
      std::vector<std::string> names;
      for (const ast::Param *param : definitions.params)
        names.push_back(param->name.text);
      auto &d = diagnostics.report(Diag::UnknownParameter, {}, {name});
      std::string help = didYouMean(name, names);
      if (!help.empty())
        d.help(help);
      continue;
    }
    auto source = std::make_shared<SourceFile>();
    source->path = "-P " + name;
    source->text = text;
    if (ast::ExprPtr e = parseExpression(source, diagnostics))
      given[name] = evaluator.evaluate(*e, globals, nullptr);
    else
      given[name] = Value();
  }
  for (const ast::Param *param : definitions.params) {
    auto it = given.find(param->name.text);
    Value value = param->value ? evaluator.evaluate(*param->value, globals, nullptr) : Value();
    bool typed = it != given.end() && !value.bad() && !it->second.bad();
    bool differs = typed && it->second.kind != value.kind;
    if (differs)
      diagnostics.report(Diag::CommandLine, it->second.span, {"-P " + param->name.text + " must be of the kind of its default, " + describe(value) + ", and this is " + describe(it->second)});
    globals.names[param->name.text] = it == given.end() || differs ? value : it->second;
  }
}

std::vector<const ast::Network *> choose(const Definitions &definitions, const FrontendOptions &options, const SourceFile &source, DiagnosticEngine &diagnostics) {
  std::vector<std::string> names;
  for (const ast::Network *network : definitions.networks)
    names.push_back(network->name.text);
  std::string all;
  for (const std::string &name : names)
    all += (all.empty() ? "" : ", ") + name;
  if (options.network) {
    for (const ast::Network *network : definitions.networks)
      if (network->name.text == *options.network)
        return {network};
    auto &d = diagnostics.report(Diag::UnknownNetwork, {}, {*options.network});
    std::string help = didYouMean(*options.network, names);
    if (!help.empty())
      d.help(help);
    d.note(all.empty() ? "it has none" : "it has " + all);
    return {};
  }
  if (definitions.networks.size() > 1 && !options.allNetworks)
    diagnostics.report(Diag::ChooseNetwork, {}).help("choose one with --network: " + all);
  return definitions.networks;
}

void read(const std::shared_ptr<const SourceFile> &source, const FrontendOptions &options, DiagnosticEngine &diagnostics, Understanding &out) {
  auto file = parse(source, diagnostics);
  if (!file)
    return;
  out.parsed = true;
  Definitions &definitions = out.definitions;
  load(std::move(*file), definitions, diagnostics);
  Evaluator evaluator(diagnostics, wordsOf(definitions));
  Environment globals;
  evaluateParams(definitions, options, evaluator, globals, diagnostics);
  checkDefinitions(definitions, diagnostics);

  const ast::File &main = definitions.files.front();
  if (main.incomplete && definitions.networks.empty())
    return;
  bool library = !main.blocks.empty() || !main.programs.empty() || !main.params.empty() || !main.data.empty() || !main.train.empty() || !main.tune.empty();
  if (definitions.networks.empty() && !(library && options.allNetworks && !options.network)) {
    Span start = spanOf(source, 0, 0);
    if (source->text.empty())
      start.line = 0;
    diagnostics.report(Diag::EmptyFile, start).help("network name { input(1, 28, 28)  flatten -> dense(10) -> softmax }");
    return;
  }
  Entries entries(definitions, globals, evaluator, diagnostics);
  for (const ast::Network *chosen : choose(definitions, options, *source, diagnostics)) {
    Network network = Elaboration(definitions, globals, evaluator, diagnostics).run(*chosen);
    network.data = entries.data(network);
    network.train = entries.train(network, network.data);
    if (options.batch)
      network.train.batch = *options.batch;
    if (options.precision)
      network.train.precision = *options.precision;
    if (!diagnostics.hasErrors())
      warnAbout(network, diagnostics);
    out.networks.push_back(std::move(network));
  }
  if (!out.networks.empty())
    entries.tune();
}

} // namespace

Understanding understand(const std::shared_ptr<const SourceFile> &source, const FrontendOptions &options, DiagnosticEngine &diagnostics) {
  Understanding understanding;
  onBigStack([&] { read(source, options, diagnostics, understanding); });
  return understanding;
}

std::vector<Network> check(const std::shared_ptr<const SourceFile> &source, const FrontendOptions &options, DiagnosticEngine &diagnostics) {
  Understanding understanding = understand(source, options, diagnostics);
  return diagnostics.hasErrors() ? std::vector<Network>() : std::move(understanding.networks);
}

} // namespace cnnc
