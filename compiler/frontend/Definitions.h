// Everything that a file and its imports define, by name.
// In: filled by load().  Out: looked up by the elaboration.
#pragma once

#include "compiler/frontend/Ast.h"

#include <deque>
#include <map>

namespace cnnc {

struct Definitions {
  std::deque<ast::File> files; ///< the main file, then the imported ones, then the prelude; the maps below point into them
  std::map<std::string, const ast::Block *> blocks;
  std::map<std::string, const ast::Program *> activations, optimizers, schedules;
  std::vector<const ast::Param *> params; ///< in the order in which they are defined, imports first
  std::vector<const ast::Network *> networks;
  const ast::Section *data = nullptr, *train = nullptr, *tune = nullptr;
};

} // namespace cnnc
