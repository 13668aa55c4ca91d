// `cnnc check --fix`: what the messages offer, carried out.
// In: a source file.  Out: its text with the fixes in it, and what was done.
#pragma once

#include "compiler/frontend/Frontend.h"

namespace cnnc {

struct Fixed {
  std::string text;
  std::vector<std::string> done; ///< "lenet.cnn:4:3: did you mean `conv`?", in order
};

/// The first fix of each error, and of each warning that leaves what the network computes as it is; again, until nothing more is offered.
/// A fix that does not make the mistakes fewer is taken back. Imported files stay as they are. `settings`: an engine with the wanted warnings.
Fixed applyFixes(const std::shared_ptr<const SourceFile> &source, const FrontendOptions &options, const DiagnosticEngine &settings);

/// The lines that differ, as `diff -u0` writes them.
std::string lineDifference(const std::string &path, const std::string &before, const std::string &after);

} // namespace cnnc
