// load and freeze of the train block: what training begins with, and what it leaves alone.
// In: the entries of the AST, the network.  Out: Train::loads, Train::freeze; names are looked up among the network's tensors.
#include "compiler/frontend/Entries.h"

#include <algorithm>

namespace cnnc {

std::vector<std::string> tensorScopes(const Network &network) {
  std::vector<std::string> scopes;
  std::set<std::string> seen;
  auto add = [&](const std::string &name) {
    if (seen.insert(name).second)
      scopes.push_back(name);
  };
  for (const Tensor &tensor : network.tensors)
    for (size_t dot = tensor.name.find('.');; dot = tensor.name.find('.', dot + 1)) {
      add(tensor.name.substr(0, dot));
      if (dot == std::string::npos)
        break;
    }
  return scopes;
}

/// Reports a name that none of the network's tensors belongs to.
bool Entries::namesTensors(const std::string &name, const Span &at, const Network &network) {
  std::vector<std::string> scopes = tensorScopes(network);
  if (!whole || std::find(scopes.begin(), scopes.end(), name) != scopes.end())
    return true;
  auto &d = diagnostics.report(Diag::UnknownTensors, at, {network.name, name});
  auto bare = std::find_if(network.layers.begin(), network.layers.end(), [&](const Layer &layer) { return layer.name == name; });
  if (bare != network.layers.end())
    d.label(at, "this " + bare->kind + " has none");
  else
    d.suggest(at, name, scopes);
  constexpr size_t most = 12;
  std::string all;
  size_t outermost = 0;
  for (const std::string &scope : scopes)
    if (scope.find('.') == std::string::npos && outermost++ < most)
      all += (all.empty() ? "" : ", ") + scope;
  if (outermost)
    d.note("it has " + all + (outermost > most ? " and " + std::to_string(outermost - most) + " more" : "") + ", and what stands inside of them, such as " +
           network.tensors.front().name);
  return false;
}

void Entries::loads(Train &train, const Network &network) {
  for (const ast::Entry &entry : definitions.train ? definitions.train->entries : std::vector<ast::Entry>()) {
    if (!entry.isLoad)
      continue;
    const ast::Expr &e = *entry.value;
    bool undefined = (e.kind == ast::Expr::Kind::Name && !globals.names.count(e.text)) || e.kind == ast::Expr::Kind::Member;
    Value file = undefined ? Value() : valueOf(entry);
    if (undefined || (!file.bad() && (file.kind != Value::Kind::String || file.text.empty()))) {
      auto &d = diagnostics.report(Diag::EntryValue, e.span, {"`load`", "given the name of a safetensors file, in quotes"});
      std::vector<std::string> scopes = tensorScopes(network);
      if (std::find(scopes.begin(), scopes.end(), e.text) != scopes.end())
        d.help("of this part alone: load \"pretrained.safetensors\" for " + e.text);
    }
    if (file.kind != Value::Kind::String || file.bad() || file.text.empty())
      continue;
    Load load{file.text, "", entry.value->span};
    if (entry.target && namesTensors(entry.target->text, entry.target->span, network))
      load.target = entry.target->text;
    train.loads.push_back(load);
  }
}

/// freeze = [stem, basic1.conv1], freeze = stem, freeze = none
void Entries::freeze(const ast::Entry &entry, Train &train, const Network &network) {
  using Kind = ast::Expr::Kind;
  const ast::Expr &e = *entry.value;
  if (e.kind == Kind::Name && e.text == "none")
    return;
  for (const ast::ExprPtr &item : e.kind == Kind::List ? e.items : std::vector<ast::ExprPtr>{entry.value}) {
    const std::string expected = "a layer or a block, or a list of them: [stem, basic1.conv1]";
    if (item->kind == Kind::Name || item->kind == Kind::Member) {
      if (namesTensors(item->text, item->span, network))
        train.freeze.push_back(item->text);
    } else if (item->kind == Kind::String) {
      diagnostics.report(Diag::EntryValue, item->span, {"`freeze`", expected}).fix(item->span, item->text, "a name of the network stands without quotes: " + item->text);
    } else {
      wrong(*item, "freeze", expected);
    }
  }
  auto frozen = [&](const Tensor &tensor) {
    return std::any_of(train.freeze.begin(), train.freeze.end(), [&](const std::string &scope) { return belongsTo(tensor, scope); });
  };
  bool all = whole && !network.tensors.empty() && std::all_of(network.tensors.begin(), network.tensors.end(), [&](const Tensor &t) { return !isParameter(t) || frozen(t); });
  if (all)
    diagnostics.report(Diag::NothingToTrain, e.span).label(e.span, "each step will change nothing").help("leave at least the last layer out of it");
}

} // namespace cnnc
