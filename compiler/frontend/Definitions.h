// Everything that a file and its imports define, by name.
// In: filled by load().  Out: looked up by the elaboration.
#pragma once

#include "compiler/frontend/Ast.h"

#include <deque>
#include <map>
#include <set>

namespace cnnc {

struct Definitions {
  std::deque<ast::File> files; ///< the main file, then the imported ones, then the prelude; the maps below point into them
  std::map<std::string, const ast::Block *> blocks;
  std::map<std::string, const ast::Program *> activations, optimizers, schedules;
  std::map<std::string, const ast::Program *> builtinActivations; ///< what the prelude itself means by a name, whatever a file puts in its place
  std::vector<const ast::Param *> params; ///< in the order in which they are defined, imports first
  std::vector<const ast::Network *> networks;
  std::set<const ast::Block *> rings; ///< blocks that use themselves, over others or not: reported by checkDefinitions()
  const ast::Section *data = nullptr, *train = nullptr, *tune = nullptr;
};

} // namespace cnnc
