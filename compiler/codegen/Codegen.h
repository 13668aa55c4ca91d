// From kernels in the LLVM dialect to an executable.
// In: the kernels module, the programs, the description.  Out: LLVM IR, assembly, an object file; the linked trainer.
#pragma once

#include "compiler/kernels/Program.h"
#include "compiler/target/Target.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace cnnc {

/// None: for the soonest program. Full: for the fastest.
enum class OptimisationLevel { None, Full };

/// The processor that code is made for.
struct Processor {
  std::unique_ptr<llvm::TargetMachine> machine;
  TargetInfo info;
  std::string cpu;      ///< LLVM's name, "native" resolved
  std::string features; ///< comma separated: what a processor must have to run the code
};
/// `mcpu`: "native", a name that LLVM knows ("x86-64-v3", "znver4") or its short form ("v3", "v4", "amx"). Error: an unknown name.
llvm::Expected<Processor> makeProcessor(const std::string &mcpu, OptimisationLevel level = OptimisationLevel::Full);
/// The names of "v3+v4", the most demanding processor first: by vectors, then by features. Error: an unknown name, one processor twice.
llvm::Expected<std::vector<std::string>> processorLevels(const std::string &mcpu);

/// What the model's tables say beside the programs.
struct ModelTables {
  Program trainStep, predict, predictOne;
  std::string description; ///< JSON of runtime/abi.h
  bool isF64 = false;
  int level = 0;             ///< 0: cnn_the_model; the description stands there
  bool hasNextLevel = false; ///< another object has the tables of level + 1
};

/// Translates functions of the LLVM dialect. A kernel `name` becomes void name(void *const *buffers, int64_t piece); @schedule stays as it is.
llvm::Expected<std::unique_ptr<llvm::Module>> translate(mlir::ModuleOp functions, const Processor &processor, llvm::LLVMContext &context);
/// Adds the launch code and the tables of runtime/abi.h to the module that has @schedule. Kernels that the module lacks are declared.
void addModel(llvm::Module &module, const ModelTables &tables, const Processor &processor);

/// Moves every function of `kernels` into a module of its own, inside `kernels`, so that they can be lowered side by side.
void separate(mlir::ModuleOp kernels);
/// The objects of separated and lowered modules by their kernel's symbol, made on all threads of the MLIR context. `mcpu` as for makeProcessor.
llvm::Expected<std::map<std::string, std::string>> emitObjects(mlir::ModuleOp kernels, const std::string &mcpu, OptimisationLevel level);

void optimise(llvm::Module &module, const Processor &processor);
/// Assembly (`assembly` true) or an object file as bytes.
llvm::Expected<std::string> emitCode(llvm::Module &module, const Processor &processor, bool assembly);

/// Links the objects with the runtime library into `output`; with `inference` what it begins with is a smaller main.
/// Runs ld.lld itself, never a shell.
llvm::Error linkTrainer(llvm::ArrayRef<std::string> objects, const std::string &output, bool inference);

/// The numbers that a library's header states.
struct LibrarySizes {
  int64_t channels, height, width, classes, batch;
};
/// `output`.a, `output`.so and their header: `output` without a leading "lib", with ".h". Every name in them begins with `network`.
llvm::Error linkLibrary(llvm::ArrayRef<std::string> objects, const std::string &network, const LibrarySizes &sizes, const std::string &output);

} // namespace cnnc
