// Completion: what may be written at a place, from what stands around it.
// In: a document and a position.  Out: the words of the language, and the names that the file defines.
#include "compiler/frontend/Arguments.h"
#include "compiler/frontend/Elaborate.h"
#include "compiler/frontend/Entries.h"
#include "compiler/lsp/Context.h"
#include "compiler/lsp/Features.h"

namespace cnnc {
namespace {

using Kind = protocol::CompletionItemKind;
using Place = Context::Place;

class Completion {
public:
  Completion(const Document &document, size_t offset)
      : understanding(document.understanding), definitions(understanding.definitions), text(document.text.text()), context(contextAt(text, offset)) {}

  std::vector<protocol::CompletionItem> items() {
    if (context.member)
      words({"channels", "height", "width"}, Kind::Property);
    else if (context.place == Place::File)
      file();
    else if (context.place == Place::Layers)
      layers();
    else if (context.place == Place::Entry)
      entries();
    else if (context.place == Place::Value)
      values();
    else if (context.place == Place::Tensors)
      tensors();
    else if (context.place == Place::Argument)
      arguments(), names();
    else if (context.place == Place::Keyword)
      keyword();
    return std::move(list);
  }

private:
  protocol::CompletionItem &add(const std::string &label, Kind kind, const std::string &insert = "") {
    list.emplace_back(label, kind);
    protocol::CompletionItem &item = list.back();
    item.detail = signatureOf(label, definitions);
    std::string summary = summaryOf(label);
    if (!summary.empty())
      item.documentation = protocol::MarkupContent{protocol::MarkupKind::Markdown, summary};
    if (!insert.empty()) {
      item.insertText = insert;
      item.insertTextFormat = protocol::InsertTextFormat::Snippet;
    }
    return item;
  }
  void words(const std::vector<std::string> &all, Kind kind) {
    for (const std::string &word : all)
      add(word, kind);
  }

  void file() {
    add("network", Kind::Keyword, "network ${1:name} {\n  input(${2:3, 32, 32})\n  $0\n}");
    add("block", Kind::Keyword, "block ${1:name}(${2}) {\n  $0\n}");
    add("param", Kind::Keyword, "param ${1:name} = $0");
    add("data", Kind::Keyword, "data {\n  $0\n}");
    add("train", Kind::Keyword, "train {\n  $0\n}");
    add("tune", Kind::Keyword, "tune {\n  $0\n}");
    add("import", Kind::Keyword, "import \"$0\"");
    add("activation", Kind::Keyword, "activation ${1:name}(x) = $0");
    add("optimizer", Kind::Keyword, "optimizer ${1:name}(lr) {\n  param = param - lr * grad$0\n}");
    add("schedule", Kind::Keyword, "schedule ${1:name}() = $0");
  }

  /// "conv(${1:filters}, ${2:kernel})", or the bare name where nothing must be given.
  std::string callOf(const std::string &name, const std::vector<std::string> &required) {
    std::string call;
    for (size_t i = 0; i < required.size(); ++i)
      call += (i ? ", " : "") + ("${" + std::to_string(i + 1) + ":" + required[i] + "}");
    return call.empty() ? "" : name + "(" + call + ")";
  }

  void layers() {
    if (context.augment) {
      for (const AugmentationSpec &spec : augmentations())
        add(spec.name, Kind::Function, spec.least ? std::string(spec.name) + "($0)" : "");
      return;
    }
    for (const std::string &kind : layerKinds()) {
      std::vector<std::string> required;
      for (const ParameterSpec &p : *layerParameters(kind))
        if (p.required)
          required.push_back(p.name);
      add(kind, Kind::Function, callOf(kind, kind == "concat" || kind == "add" ? std::vector<std::string>{"map"} : required));
    }
    for (auto &[name, block] : definitions.blocks) {
      std::vector<std::string> required;
      for (const ast::Parameter &p : block->parameters)
        if (!p.value)
          required.push_back(p.name.text);
      add(name, Kind::Class, callOf(name, required));
    }
    for (auto &[name, unused] : definitions.activations)
      add(name, Kind::Function);
    add("residual", Kind::Keyword, "residual {\n  $0\n}");
    add("shortcut", Kind::Keyword, "shortcut if ${1:in.channels != filters} {\n  $0\n}");
    add("gate", Kind::Keyword, "gate { global_avgpool -> $0 -> sigmoid }");
    add("branch", Kind::Keyword, "branch ${1|concat,add|} {\n  { $0 }\n}");
    add("repeat", Kind::Keyword, "repeat ${1:2} { $0 }");
    add("for", Kind::Keyword, "for ${1:width} in [${2:32, 64}] { $0 }");
    add("if", Kind::Keyword, "if ${1:condition} { $0 }");
    add("let", Kind::Keyword, "let ${1:skip} = it");
  }

  void entries() {
    for (const std::string &name : entryNames(context.definition))
      add(name, Kind::Field, name == "augment" ? "augment { $0 }" : name == "load" ? "load \"${1:pretrained.safetensors}\"" : name + " = $0");
    if (context.definition == "tune")
      params();
  }

  void values() {
    if (context.definition == "data" || context.definition == "train" || context.definition == "tune")
      words(entryWords(context.definition, context.entry, definitions), Kind::Value);
    names();
  }

  /// The parts of the network that have tensors, each up to its next dot.
  void tensors() {
    for (const Network &network : understanding.networks)
      for (const std::string &scope : tensorScopes(network)) {
        bool here = scope.compare(0, context.path.size(), context.path) == 0;
        std::string part = here ? scope.substr(context.path.size()) : "";
        if (!part.empty() && part.find('.') == std::string::npos)
          add(part, Kind::Field).detail = scope;
      }
    if (context.path.empty() && context.entry == "freeze")
      words({"none"}, Kind::Value);
  }

  void arguments() {
    std::vector<ParameterSpec> parameters = entryParameters(context.callee, definitions);
    if (const auto *layer = layerParameters(context.callee))
      parameters = *layer;
    if (auto block = definitions.blocks.find(context.callee); block != definitions.blocks.end())
      for (const ast::Parameter &p : block->second->parameters)
        parameters.push_back({p.name.text, p.value == nullptr, p.value ? sourceOf(*p.value) : ""});
    if (auto program = definitions.activations.find(context.callee); program != definitions.activations.end())
      for (size_t i = 1; i < program->second->parameters.size(); ++i)
        parameters.push_back({program->second->parameters[i].name.text, false});
    for (const ParameterSpec &p : parameters) {
      if (context.given.count(p.name))
        continue;
      auto &item = add(p.name + "=", Kind::Property);
      item.detail = p.required ? "must be given" : p.otherwise.empty() ? "" : "default " + p.otherwise;
      item.filterText = p.name;
      item.sortText = "0" + p.name; // before the names
    }
    if (context.callee == "best" || context.callee == "no_better" || context.callee == "plateau" || context.callee == "maximize" || context.callee == "minimize")
      words(metricNames(), Kind::EnumMember);
    if (context.callee == "warmup")
      words(entryWords("train", "schedule", definitions), Kind::Value);
  }

  void keyword() {
    if (context.entry == "pad")
      words({"same", "narrow", "valid", "wide", "full"}, Kind::EnumMember);
    else if (context.entry == "init")
      words(initNames(), Kind::EnumMember);
    else if (context.entry == "over")
      words({"map", "channels"}, Kind::EnumMember);
    else if (context.entry == "metric")
      words(metricNames(), Kind::EnumMember);
    else if (context.entry == "schedule")
      words(entryWords("train", "schedule", definitions), Kind::Value);
    names();
  }

  void params() {
    for (const ast::Param *param : definitions.params)
      add(param->name.text, Kind::Constant).detail = param->value ? "param = " + sourceOf(*param->value) : "param";
  }

  /// What an expression may name.
  void names() {
    params();
    words({"true", "false"}, Kind::Keyword);
    bool inLayers = context.definition == "network" || context.definition == "block";
    if (inLayers) {
      words({"it"}, Kind::Variable);
      words({"in.channels", "in.height", "in.width"}, Kind::Property);
    }
    if (context.definition == "block")
      for (auto &[name, block] : definitions.blocks)
        for (const ast::Parameter &p : block->parameters)
          add(p.name.text, Kind::Variable).detail = "parameter of block " + name;
  }

  const Understanding &understanding;
  const Definitions &definitions;
  const std::string &text;
  const Context context;
  std::vector<protocol::CompletionItem> list;
};

} // namespace

protocol::CompletionList completionsAt(const Document &document, protocol::Position position) {
  size_t offset = document.text.offset(position);
  WordAt word = wordAt(document.text.text(), offset);
  protocol::CompletionList list;
  bool number = !word.text.empty() && word.begin < offset && std::isdigit(static_cast<unsigned char>(word.text[0]));
  if (number)
    return list;
  protocol::Range replaced = document.text.range(word.begin, offset);
  std::set<std::string> seen;
  for (protocol::CompletionItem &item : Completion(document, offset).items()) {
    if (!seen.insert(item.label).second)
      continue;
    // Where something stands behind the word already, nothing is put behind it.
    char next = word.begin + word.text.size() < document.text.text().size() ? document.text.text()[word.begin + word.text.size()] : '\n';
    if (item.insertText.empty() || next == '(') {
      item.insertText = item.label;
      item.insertTextFormat = protocol::InsertTextFormat::PlainText;
    }
    item.textEdit = protocol::TextEdit{replaced, item.insertText};
    list.items.push_back(std::move(item));
  }
  return list;
}

} // namespace cnnc
