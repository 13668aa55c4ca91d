// Everything after the front end: a checked network becomes what the user asked for.
// In: a Network and the command line's options.  Out: the output file; the exit status of interfaces.md.
#pragma once

#include "compiler/frontend/Network.h"
#include "compiler/support/Diagnostics.h"

namespace cnnc {

struct CompileOptions {
  std::string inputPath;  ///< as the user named it
  std::string sourceText; ///< goes into the description
  std::string outputPath; ///< "-": standard output
  std::string emit;       ///< "exe", or a stage: cnn train linalg loops llvm asm obj ptx lib
  std::string target = "cpu"; ///< "cpu" or "cuda"
  std::string mcpu = "native";
  std::string command;    ///< the command line, for the record
  bool verbose = false;
  bool inference = false; ///< a program without training
};

/// 0 done; 1 the network cannot be compiled (reported); 3 the environment failed (reported).
int compileNetwork(const Network &network, const CompileOptions &options, DiagnosticEngine &diagnostics);

} // namespace cnnc
