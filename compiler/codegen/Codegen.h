// From kernels in the LLVM dialect to an executable.
// In: the kernels module, the programs, the description.  Out: LLVM IR, assembly, an object file; the linked trainer.
#pragma once

#include "compiler/kernels/Program.h"
#include "compiler/target/Target.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"

#include <memory>
#include <string>

namespace cnnc {

/// The processor that code is made for.
struct Processor {
  std::unique_ptr<llvm::TargetMachine> machine;
  TargetInfo info;
  std::string cpu;      ///< LLVM's name, "native" resolved
  std::string features; ///< comma separated: what a processor must have to run the code
};
/// `mcpu`: "native" or a name that LLVM knows ("x86-64-v3", "znver4"). Error: an unknown name.
llvm::Expected<Processor> makeProcessor(const std::string &mcpu);

/// What the model's tables say beside the programs.
struct ModelTables {
  Program trainStep, predict, predictOne;
  std::string description; ///< JSON of runtime/abi.h
  bool isF64 = false;
};

/// Translates the kernels (LLVM dialect, with @schedule) and adds the launch code and the tables of runtime/abi.h.
llvm::Expected<std::unique_ptr<llvm::Module>> makeModel(mlir::ModuleOp kernels, const ModelTables &tables, const Processor &processor,
                                                        llvm::LLVMContext &context);

void optimise(llvm::Module &module, const Processor &processor);
/// Assembly (`assembly` true) or an object file as bytes.
llvm::Expected<std::string> emitCode(llvm::Module &module, const Processor &processor, bool assembly);

/// Links the object with the runtime library into `output`; with `inference` what it begins with is a smaller main.
/// Runs ld.lld itself, never a shell.
llvm::Error linkTrainer(llvm::StringRef object, const std::string &output, bool inference);

/// The numbers that a library's header states.
struct LibrarySizes {
  int64_t channels, height, width, classes, batch;
};
/// `output`.a, `output`.so and their header: `output` without a leading "lib", with ".h". Every name in them begins with `network`.
llvm::Error linkLibrary(llvm::StringRef object, const std::string &network, const LibrarySizes &sizes, const std::string &output);

} // namespace cnnc
