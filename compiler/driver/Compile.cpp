// The stages after the front end, in order: one line a stage.
// In: a Network.  Out: what --emit asks for.
#include "compiler/driver/Compile.h"

#include "compiler/codegen/Codegen.h"
#include "compiler/driver/Description.h"
#include "compiler/irgen/Generate.h"
#include "compiler/pipeline/Pipeline.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/raw_ostream.h"

#include <fstream>
#include <iostream>

namespace cnnc {
namespace {

constexpr int done = 0, refused = 1, environment = 3;

/// Stops at the stage that the user asked for: prints what is there.
class Compilation {
public:
  Compilation(const Network &network, const CompileOptions &options, DiagnosticEngine &diagnostics)
      : network(network), options(options), diagnostics(diagnostics) {
    context.loadDialect<mlir::func::FuncDialect, mlir::linalg::LinalgDialect, mlir::tensor::TensorDialect, mlir::scf::SCFDialect,
                        mlir::memref::MemRefDialect, mlir::vector::VectorDialect, mlir::cf::ControlFlowDialect, mlir::LLVM::LLVMDialect>();
    context.disableMultithreading();
    pipeline.fold = options.inference;
  }

  int run() {
    if (options.target != "cpu")
      return fail("--target " + options.target + " is not built into this cnnc: there is cpu");
    if (network.train.precision == Precision::BF16)
      return fail("--precision bf16 is not built into this cnnc: there are f32 and f64");
    if (options.emit == "ptx")
      return fail("--emit=ptx is not built into this cnnc: there are cnn, train, linalg, loops, llvm, asm, obj, lib");

    auto processor = makeProcessor(options.mcpu);
    if (!processor)
      return fail(toString(processor.takeError()));
    auto module = generate(network, context);
    if (!module)
      return internal("the network has no cnn form");
    if (options.emit == "cnn")
      return print(*module);
    if (failed(runTraining(*module, pipeline)))
      return internal("the training step cannot be made");
    if (options.emit == "train")
      return print(*module);
    if (failed(runToLinalg(*module, pipeline)))
      return internal("the training step has no linalg form");
    if (options.emit == "linalg")
      return print(*module);

    mlir::OwningOpRef<mlir::ModuleOp> kernels = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
    KernelCache made;
    ModelTables tables;
    tables.isF64 = network.train.precision == Precision::F64;
    tables.description = describe(network, options, *module, processor->cpu);
    std::pair<const char *, Program *> functions[] = {
        {"train_step", &tables.trainStep}, {"predict", &tables.predict}, {"predict_one", &tables.predictOne}};
    for (auto [name, program] : functions) {
      if (options.inference && program == &tables.trainStep)
        continue;
      auto lowered = lowerToKernels(module->lookupSymbol(name), *kernels, made, processor->info);
      if (failed(lowered))
        return internal(std::string("@") + name + " has no kernels");
      *program = std::move(*lowered);
    }
    module->lookupSymbol("schedule")->moveBefore(kernels->getBody(), kernels->getBody()->end());
    if (options.emit == "loops")
      return print(*kernels);

    if (failed(runToLlvm(*kernels, pipeline)))
      return internal("the kernels have no LLVM form");
    llvm::LLVMContext llvmContext;
    auto model = makeModel(*kernels, tables, *processor, llvmContext);
    if (!model)
      return internal(toString(model.takeError()));
    optimise(**model, *processor);
    if (options.emit == "llvm") {
      std::string text;
      llvm::raw_string_ostream os(text);
      (*model)->print(os, nullptr);
      return write(os.str());
    }
    auto code = emitCode(**model, *processor, options.emit == "asm");
    if (!code)
      return internal(toString(code.takeError()));
    if (options.emit == "asm" || options.emit == "obj")
      return write(*code);
    if (options.emit == "lib") {
      const LibrarySizes sizes{network.input.channels, network.input.height, network.input.width, network.classes, network.train.batch};
      if (auto error = linkLibrary(*code, network.name, sizes, options.outputPath))
        return fail(toString(std::move(error)));
      return done;
    }
    if (auto error = linkTrainer(*code, options.outputPath, options.inference))
      return fail(toString(std::move(error)));
    return done;
  }

private:
  const Network &network;
  const CompileOptions &options;
  DiagnosticEngine &diagnostics;
  PipelineOptions pipeline;
  mlir::MLIRContext context;

  int fail(const std::string &message) {
    diagnostics.report(Diag::Environment, {}, {message});
    return environment;
  }
  /// Our own mistake: MLIR's messages have been printed above.
  int internal(const std::string &message) {
    diagnostics.report(Diag::Environment, {}, {"internal error: " + message + "; please report this with the file"});
    return environment;
  }

  int print(mlir::ModuleOp module) {
    std::string text;
    llvm::raw_string_ostream os(text);
    module.print(os, mlir::OpPrintingFlags().useLocalScope());
    return write(os.str() + "\n");
  }
  int write(const std::string &bytes) {
    if (options.outputPath == "-") {
      std::cout << bytes << std::flush;
      return std::cout ? done : fail("cannot write to standard output");
    }
    std::ofstream out(options.outputPath, std::ios::binary | std::ios::trunc);
    out << bytes << std::flush;
    return out ? done : fail("cannot write " + options.outputPath);
  }
};

} // namespace

int compileNetwork(const Network &network, const CompileOptions &options, DiagnosticEngine &diagnostics) {
  return Compilation(network, options, diagnostics).run();
}

} // namespace cnnc
