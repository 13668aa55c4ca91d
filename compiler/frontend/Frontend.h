// The front end's door: source text -> checked networks.
// In: a source file and what the command line overrides.  Out: Networks, or diagnostics.
#pragma once

#include "compiler/frontend/Definitions.h"
#include "compiler/frontend/Network.h"
#include "compiler/support/Diagnostics.h"

namespace cnnc {

struct FrontendOptions {
  std::vector<std::pair<std::string, std::string>> params; ///< -P name=value
  std::optional<int64_t> batch;
  std::optional<Precision> precision;
  std::optional<std::string> network; ///< --network
  bool allNetworks = false;           ///< check every network of the file, not one
};

/// The checked networks of a file; empty if there were errors. Without allNetworks at most one.
/// Runs on a thread of its own with a stack that holds for any input within the limits.
std::vector<Network> check(const std::shared_ptr<const SourceFile> &source, const FrontendOptions &options, DiagnosticEngine &diagnostics);

/// What an editor asks of a file, whole or half written: networks as far as they could be made out.
struct Understanding {
  bool parsed = false; ///< false: not even its definitions could be told apart, and the rest is empty
  Definitions definitions;
  std::vector<Network> networks;
};
Understanding understand(const std::shared_ptr<const SourceFile> &source, const FrontendOptions &options, DiagnosticEngine &diagnostics);

/// The syntax tree as text, for --emit=ast; empty if the file cannot be parsed.
std::string printAst(const std::shared_ptr<const SourceFile> &source, DiagnosticEngine &diagnostics);

} // namespace cnnc
