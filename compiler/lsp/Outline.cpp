// Where things are defined, the outline of a file, and its formatted text.
// In: a document.  Out: locations, symbols, an edit.
#include "compiler/frontend/Format.h"
#include "compiler/lsp/Context.h"
#include "compiler/lsp/Features.h"

#include <algorithm>

namespace cnnc {
namespace {

/// A name that a layer list brings into scope: let, for, a label.
void collect(const ast::Layers &layers, const std::string &name, std::vector<Span> &out) {
  for (const ast::Step &s : layers) {
    if ((s.kind == ast::Step::Kind::Let || s.kind == ast::Step::Kind::For) && s.name.text == name)
      out.push_back(s.name.span);
    if (s.label && s.label->text == name)
      out.push_back(s.label->span);
    for (const ast::Layers &body : s.bodies)
      collect(body, name, out);
  }
}

/// Every place where a file gives `name` a meaning: `inner` those of one definition alone.
void collect(const ast::File &file, const std::string &name, std::vector<Span> &global, std::vector<Span> &inner) {
  auto take = [&](const ast::Word &word, std::vector<Span> &out) {
    if (word.text == name)
      out.push_back(word.span);
  };
  for (const ast::Param &param : file.params)
    take(param.name, global);
  for (const ast::Network &network : file.networks) {
    take(network.name, global);
    collect(network.layers, name, inner);
  }
  for (const ast::Block &block : file.blocks) {
    take(block.name, global);
    for (const ast::Parameter &p : block.parameters)
      take(p.name, inner);
    collect(block.layers, name, inner);
  }
  for (const ast::Program &program : file.programs) {
    take(program.name, global);
    for (const ast::Parameter &p : program.parameters)
      take(p.name, inner);
    for (const ast::Update &update : program.updates)
      take(update.name, inner);
  }
}

/// The first line of each definition of a file.
std::vector<uint32_t> definitionLines(const ast::File &file) {
  std::vector<uint32_t> lines;
  for (auto &d : file.networks)
    lines.push_back(d.name.span.line);
  for (auto &d : file.blocks)
    lines.push_back(d.name.span.line);
  for (auto &d : file.programs)
    lines.push_back(d.name.span.line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::optional<protocol::Location> locationOf(const Document &document, const Span &span) {
  if (document.isHere(span)) {
    auto range = document.rangeNow(span);
    return range ? std::optional<protocol::Location>(protocol::Location(document.uri, *range)) : std::nullopt;
  }
  if (!span.file || !span.line || span.file->path == "<prelude>")
    return std::nullopt;
  auto uri = protocol::URIForFile::fromFile(span.file->path);
  if (!uri) {
    llvm::consumeError(uri.takeError());
    return std::nullopt;
  }
  return protocol::Location(*uri, Text(span.file->text).range(span));
}

std::vector<protocol::Location> importAt(const Document &document, const ast::File &file, protocol::Position position) {
  for (const ast::Import &import : file.imports) {
    auto range = document.rangeNow(import.span);
    if (!range || position < range->start || range->end < position)
      continue;
    std::string path = document.uri.file().str();
    auto uri = protocol::URIForFile::fromFile(path.substr(0, path.rfind('/') + 1) + import.path);
    if (uri)
      return {protocol::Location(*uri, protocol::Range())};
    llvm::consumeError(uri.takeError());
  }
  return {};
}

} // namespace

std::vector<protocol::Location> definitionsAt(const Document &document, protocol::Position position) {
  const Definitions &definitions = document.understanding.definitions;
  if (definitions.files.empty())
    return {};
  const ast::File &main = definitions.files.front();
  auto imported = importAt(document, main, position);
  if (!imported.empty())
    return imported;
  size_t offset = document.text.offset(position);
  WordAt word = wordAt(document.text.text(), offset);
  if (word.text.empty())
    return {};
  std::vector<Span> global, inner;
  collect(main, word.text, global, inner);
  // An inner name counts within its own definition, and the last one before the place is meant.
  uint32_t line = uint32_t(position.line) + 1;
  std::vector<uint32_t> starts = definitionLines(main);
  auto definitionOf = [&](uint32_t l) { return std::upper_bound(starts.begin(), starts.end(), l) - starts.begin(); };
  const Span *found = nullptr;
  for (const Span &span : inner) {
    auto range = document.rangeNow(span);
    bool same = range && definitionOf(span.line) == definitionOf(line);
    if (same && range->start <= position && (!found || found->line < span.line || (found->line == span.line && found->column < span.column)))
      found = &span;
  }
  if (!found)
    for (const ast::File &file : definitions.files)
      if (&file != &main) {
        std::vector<Span> unused;
        collect(file, word.text, global, unused);
      }
  for (const Span &span : found ? std::vector<Span>{*found} : global)
    if (auto location = locationOf(document, span))
      return {*location};
  return {};
}

std::vector<protocol::DocumentSymbol> symbolsOf(const Document &document) {
  std::vector<protocol::DocumentSymbol> symbols;
  if (document.understanding.definitions.files.empty())
    return symbols;
  const ast::File &file = document.understanding.definitions.files.front();
  const std::string &text = document.text.text();
  auto add = [&](const std::string &name, const Span &span, protocol::SymbolKind kind, bool braces) -> protocol::DocumentSymbol * {
    auto range = document.rangeNow(span);
    if (!range)
      return nullptr;
    size_t begin = document.text.offset({range->start.line, 0}), end = document.text.offset(range->end);
    size_t brace = braces ? text.find('{', end) : std::string::npos;
    end = brace == std::string::npos ? std::max(end, document.text.offset({range->start.line, 1 << 30})) : closingEnd(text, brace);
    symbols.emplace_back(name, kind, document.text.range(begin, end), *range);
    return &symbols.back();
  };
  using Kind = protocol::SymbolKind;
  for (const ast::Param &param : file.params)
    if (auto *symbol = add(param.name.text, param.name.span, Kind::Constant, false))
      symbol->detail = param.value ? sourceOf(*param.value) : "";
  for (const ast::Block &block : file.blocks)
    if (auto *symbol = add(block.name.text, block.name.span, Kind::Class, true))
      symbol->detail = "block";
  for (const ast::Network &network : file.networks) {
    auto *symbol = add(network.name.text, network.name.span, Kind::Module, true);
    if (!symbol)
      continue;
    symbol->detail = "network";
    for (const ast::Step &s : network.layers) {
      auto range = s.kind == ast::Step::Kind::Layer ? document.rangeNow(s.span) : std::nullopt;
      if (range)
        symbol->children.emplace_back(s.label ? s.label->text + ": " + s.name.text : s.name.text, Kind::Function, *range, *range);
    }
  }
  for (const ast::Program &program : file.programs) {
    bool optimizer = program.kind == ast::Program::Kind::Optimizer;
    if (auto *symbol = add(program.name.text, program.name.span, Kind::Function, optimizer))
      symbol->detail = optimizer ? "optimizer" : program.kind == ast::Program::Kind::Schedule ? "schedule" : "activation";
  }
  for (auto [name, sections] : {std::make_pair("data", &file.data), std::make_pair("train", &file.train), std::make_pair("tune", &file.tune)})
    for (const ast::Section &section : *sections)
      add(name, section.span, Kind::Struct, true);
  return symbols;
}

std::vector<protocol::TextEdit> formatOf(const Document &document) {
  DiagnosticEngine unused;
  auto formatted = formatSource(document.checked, unused);
  if (!formatted || *formatted == document.text.text())
    return {};
  return {{document.text.range(0, document.text.text().size()), *formatted}};
}

} // namespace cnnc
