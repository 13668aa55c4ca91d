// Loading: a file, what it imports and the prelude become one set of definitions.
// In: a parsed file.  Out: Definitions, by name.
#include "compiler/frontend/Load.h"
#include "compiler/frontend/Elaborate.h"
#include "compiler/frontend/Parse.h"
#include "compiler/frontend/ScalarPrograms.h"
#include "compiler/support/Spelling.h"

#include <algorithm>
#include <climits>
#include <cstdlib>

extern const char preludeText[];

namespace cnnc {
namespace {

constexpr size_t maxImports = 64;

class Loader {
public:
  Loader(Definitions &definitions, DiagnosticEngine &diagnostics) : definitions(definitions), diagnostics(diagnostics) {}

  void run(ast::File main) {
    auto prelude = std::make_shared<SourceFile>();
    prelude->path = "<prelude>";
    prelude->text = preludeText;
    auto parsed = parse(prelude, diagnostics);
    seen.insert(canonical(main.source->path));
    definitions.files.push_back(std::move(main));
    const ast::File &file = definitions.files.back();
    if (parsed) {
      definitions.files.push_back(std::move(*parsed));
      define(definitions.files.back(), true);
      definitions.builtinActivations = definitions.activations;
    }
    imports(file);
    define(file, true);
    sections(file);
  }

private:
  static std::string canonical(const std::string &path) {
    char resolved[PATH_MAX];
    return ::realpath(path.c_str(), resolved) ? resolved : path;
  }

  void imports(const ast::File &file) {
    for (const ast::Import &import : file.imports) {
      bool outside = import.path.empty() || import.path[0] == '/' || import.path.find('\0') != std::string::npos ||
                     ("/" + import.path + "/").find("/../") != std::string::npos;
      if (outside) {
        diagnostics.report(Diag::Import, import.span, {import.path}).note("an import names a file beside this one or below: no absolute path and no `..`");
        continue;
      }
      size_t slash = file.source->path.rfind('/');
      std::string path = slash == std::string::npos ? import.path : file.source->path.substr(0, slash + 1) + import.path;
      if (!seen.insert(canonical(path)).second)
        continue; // already here; a circle of imports ends here too
      if (seen.size() > maxImports) {
        diagnostics.report(Diag::Import, import.span, {import.path}).note("at most " + std::to_string(maxImports) + " files");
        return;
      }
      std::string why;
      auto source = readSource(path, maxSourceBytes, true, why);
      if (!source) {
        diagnostics.report(Diag::Import, import.span, {import.path}).note(path + ": " + why);
        continue;
      }
      auto parsed = parse(source, diagnostics);
      if (!parsed)
        continue;
      definitions.files.push_back(std::move(*parsed));
      const ast::File &imported = definitions.files.back();
      imports(imported);
      define(imported, false);
    }
  }

  template <typename T> bool isNew(std::map<std::string, const T *> &table, const T &definition) {
    auto [it, inserted] = table.emplace(definition.name.text, &definition);
    if (!inserted && isBuiltin(it->second->name)) {
      diagnostics.report(Diag::ReplacesBuiltin, definition.name.span, {definition.name.text}).note("the prelude's own definitions still mean the built-in one");
      it->second = &definition;
      return true;
    }
    if (!inserted)
      redefined(definition.name, it->second->name);
    return inserted;
  }

  void redefined(const ast::Word &again, const ast::Word &first) {
    diagnostics.report(Diag::Redefined, again.span, {again.text}).label(again.span, "defined again").secondary(first.span, "first defined here");
  }

  static bool isBuiltin(const ast::Word &name) { return name.span.file && name.span.file->path == "<prelude>"; }

  /// A block of the name of a built-in activation takes its place.
  bool replaces(const ast::Block &block) {
    auto activation = definitions.activations.find(block.name.text);
    if (activation == definitions.activations.end())
      return true;
    if (!isBuiltin(activation->second->name)) {
      redefined(block.name, activation->second->name);
      return false;
    }
    diagnostics.report(Diag::ReplacesBuiltin, block.name.span, {block.name.text}).note("the prelude's own definitions still mean the built-in one");
    return true;
  }

  void define(const ast::File &file, bool withNetworks) {
    for (const ast::Param &param : file.params) {
      auto same = std::find_if(definitions.params.begin(), definitions.params.end(), [&](auto *p) { return p->name.text == param.name.text; });
      if (same != definitions.params.end())
        redefined(param.name, (*same)->name);
      else
        definitions.params.push_back(&param);
    }
    for (const ast::Block &block : file.blocks)
      if (layerParameters(block.name.text))
        diagnostics.report(Diag::Redefined, block.name.span, {block.name.text}).note("it is a built-in layer; choose another name");
      else if (replaces(block))
        isNew(definitions.blocks, block);
    for (const ast::Program &program : file.programs) {
      if (program.kind == ast::Program::Kind::Activation) {
        auto block = definitions.blocks.find(program.name.text);
        if (layerParameters(program.name.text))
          diagnostics.report(Diag::Redefined, program.name.span, {program.name.text}).note("it is a built-in layer; choose another name");
        else if (block != definitions.blocks.end())
          redefined(program.name, block->second->name);
        else
          isNew(definitions.activations, program);
      } else {
        isNew(program.kind == ast::Program::Kind::Schedule ? definitions.schedules : definitions.optimizers, program);
      }
      unique(program.parameters);
    }
    for (const ast::Block &block : file.blocks)
      unique(block.parameters);
    if (withNetworks)
      for (const ast::Network &network : file.networks) {
        auto same = std::find_if(definitions.networks.begin(), definitions.networks.end(), [&](auto *n) { return n->name.text == network.name.text; });
        if (same != definitions.networks.end())
          redefined(network.name, (*same)->name);
        else
          definitions.networks.push_back(&network);
      }
  }

  void unique(const std::vector<ast::Parameter> &parameters) {
    std::map<std::string, const ast::Word *> names;
    for (const ast::Parameter &p : parameters)
      if (!names.emplace(p.name.text, &p.name).second)
        redefined(p.name, *names[p.name.text]);
  }

  const ast::Section *only(const std::vector<ast::Section> &sections, const char *name) {
    for (size_t i = 1; i < sections.size(); ++i)
      diagnostics.report(Diag::Redefined, sections[i].span, {name}).secondary(sections[0].span, "the first one is here");
    return sections.empty() ? nullptr : &sections[0];
  }
  void sections(const ast::File &file) {
    definitions.data = only(file.data, "data");
    definitions.train = only(file.train, "train");
    definitions.tune = only(file.tune, "tune");
  }

  Definitions &definitions;
  DiagnosticEngine &diagnostics;
  std::set<std::string> seen;
};

/// A block's use of another, or of itself.
struct Use {
  const ast::Block *block;
  Span at;
};
using Uses = std::map<const ast::Block *, std::vector<Use>>;

/// Layer names inside a block that may never be used. -> the blocks among them, in `uses`
void checkLayers(const ast::Layers &layers, std::vector<std::string> &variables, const Definitions &definitions, DiagnosticEngine &diagnostics,
                 std::vector<Use> &uses) {
  size_t outer = variables.size();
  for (const ast::Step &s : layers) {
    const std::string &name = s.name.text;
    if (s.kind == ast::Step::Kind::Let || s.kind == ast::Step::Kind::For)
      variables.push_back(name);
    bool isVariable = std::find(variables.begin(), variables.end(), name) != variables.end();
    bool known = s.kind != ast::Step::Kind::Layer || layerParameters(name) || definitions.blocks.count(name) || definitions.activations.count(name) || isVariable;
    if (auto block = definitions.blocks.find(name); s.kind == ast::Step::Kind::Layer && !isVariable && block != definitions.blocks.end())
      uses.push_back({block->second, s.name.span});
    if (!known) {
      std::vector<std::string> all = layerKinds();
      for (auto &[block, unused] : definitions.blocks)
        all.push_back(block);
      for (auto &[program, unused] : definitions.activations)
        all.push_back(program);
      auto &d = diagnostics.report(Diag::UnknownLayer, s.name.span, {name});
      if (diagnostics.errors() < DiagnosticEngine::maxDiagnostics)
        d.suggest(s.name.span, name, all);
    }
    for (const ast::Layers &body : s.bodies)
      checkLayers(body, variables, definitions, diagnostics, uses);
  }
  variables.resize(outer);
}

/// Finds the rings among blocks; each is reported once, at the use that closes it.
class Rings {
public:
  Rings(const Uses &uses, Definitions &definitions, DiagnosticEngine &diagnostics) : uses(uses), definitions(definitions), diagnostics(diagnostics) {}

  void search(const ast::Block *block) {
    if (!visited.insert(block).second)
      return;
    auto known = uses.find(block);
    for (const Use &use : known == uses.end() ? std::vector<Use>() : known->second) {
      path.push_back({block, use.at});
      auto begin = std::find_if(path.begin(), path.end(), [&](const Use &step) { return step.block == use.block; });
      if (begin != path.end())
        report({begin, path.end()});
      else
        search(use.block);
      path.pop_back();
    }
  }

private:
  void report(const std::vector<Use> &ring) {
    auto &d = diagnostics.report(Diag::Recursion, ring.back().at, {"block", ring[0].block->name.text});
    d.label(ring.back().at, ring.size() == 1 ? "inside of itself" : "used by `" + ring.back().block->name.text + "`, which it uses");
    for (size_t i = 0; i + 1 < ring.size(); ++i)
      d.secondary(ring[i].at, "`" + ring[i].block->name.text + "` uses `" + ring[i + 1].block->name.text + "`");
    d.help("a block holds a fixed list of layers: `repeat N { ... }` and `for x in [...] { ... }` say how often");
    for (const Use &step : ring)
      definitions.rings.insert(step.block);
  }

  const Uses &uses;
  Definitions &definitions;
  DiagnosticEngine &diagnostics;
  std::set<const ast::Block *> visited;
  std::vector<Use> path; ///< from where the search began: a block, and where it uses the next
};

} // namespace

void load(ast::File main, Definitions &definitions, DiagnosticEngine &diagnostics) { Loader(definitions, diagnostics).run(std::move(main)); }

void checkDefinitions(Definitions &definitions, DiagnosticEngine &diagnostics) {
  std::vector<std::string> globals;
  for (const ast::Param *param : definitions.params)
    globals.push_back(param->name.text);
  Uses uses;
  for (auto &[name, block] : definitions.blocks) {
    std::vector<std::string> variables = globals;
    for (const ast::Parameter &p : block->parameters)
      variables.push_back(p.name.text);
    checkLayers(block->layers, variables, definitions, diagnostics, uses[block]);
  }
  Rings rings(uses, definitions, diagnostics);
  for (auto &[name, block] : definitions.blocks)
    rings.search(block);
  for (const ast::File &file : definitions.files)
    if (file.source->path != "<prelude>")
      for (const ast::Program &program : file.programs)
        ScalarCompiler(definitions, diagnostics).check(program);
}

} // namespace cnnc
