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
  std::string emit;       ///< "exe", or a stage: cnn train linalg loops llvm asm obj ptx lib; "memory", "traffic": what `show` prints of them
  bool json = false;      ///< of "memory" and "traffic"
  std::string target = "cpu"; ///< "cpu" or "cuda"
  std::string mcpu = "native"; ///< several joined by +
  std::string command;    ///< the command line, for the record
  bool optimise = true;   ///< -O0: a program sooner, which runs longer
  bool cache = true;      ///< use and keep kernels of other compilations
  bool winograd = true;   ///< 3x3 convolutions in Winograd's form where it pays
  bool tune = false;      ///< measure kernels with other tiles, and use the fastest
  int64_t maxMemory = 0;  ///< of the trainer's peak, in bytes; 0: as it comes
  bool verbose = false;
  bool inference = false; ///< a program without training
};

/// 0 done; 1 the network cannot be compiled (reported); 3 the environment failed (reported). In the module cnnc-compile: the only part of cnnc
/// that holds MLIR, which takes longer to load than a network takes to check.
extern "C" int cnncCompile(const Network &network, const CompileOptions &options, DiagnosticEngine &diagnostics);
using CompileEntry = decltype(&cnncCompile);

} // namespace cnnc
