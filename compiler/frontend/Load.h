// Loading: a file, what it imports and the prelude become one set of definitions.
// In: a parsed file.  Out: Definitions; names that are defined twice, unknown layers and recursive imports are reported.
#pragma once

#include "compiler/frontend/Definitions.h"
#include "compiler/support/Diagnostics.h"

namespace cnnc {

void load(ast::File main, Definitions &definitions, DiagnosticEngine &diagnostics);

/// Checks of definitions that hold whether anything uses them or not: layer names inside blocks, blocks that use themselves, scalar programs.
void checkDefinitions(Definitions &definitions, DiagnosticEngine &diagnostics);

} // namespace cnnc
