// The stages after the front end, in order: one line a stage.
// In: a Network.  Out: what --emit asks for.
#include "compiler/driver/Compile.h"

#include "compiler/codegen/Codegen.h"
#include "compiler/codegen/ObjectStore.h"
#include "compiler/codegen/Tuner.h"
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
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
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
    mlir::registerBuiltinDialectTranslation(context);
    mlir::registerLLVMDialectTranslation(context);
    context.disableMultithreading(); // until there are kernels to lower side by side
    pipeline.simplify = options.optimise;
    pipeline.fold = options.inference;
  }

  int run() {
    if (options.target != "cpu")
      return fail("--target " + options.target + " is not built into this cnnc: there is cpu");
    if (options.emit == "ptx")
      return fail("--emit=ptx is not built into this cnnc: there are cnn, train, linalg, loops, llvm, asm, obj, lib");

    if (options.tune && (options.mcpu != "native" || !options.cache || !options.optimise || (options.emit != "exe" && options.emit != "lib")))
      return fail("--tune measures optimised kernels on this machine and keeps what it finds: it goes with a program or --emit=lib, without --mcpu, -O0 or --no-cache");

    auto processor = makeProcessor(options.mcpu, level());
    if (!processor)
      return fail(toString(processor.takeError()));
    processor->info.winograd = options.winograd;
    pipeline.narrow = network.train.precision == Precision::BF16;
    if (pipeline.narrow && !processor->info.dotsPairs)
      return fail("precision bf16 needs a processor that multiplies pairs of bf16 (AVX512-BF16 without AMX: AMD Zen 4 and later), " + processor->cpu +
                  " is none for which this cnnc has such kernels; f32 and f64 run everywhere");
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

    kernels = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
    ModelTables tables;
    tables.isF64 = network.train.precision == Precision::F64;
    tables.description = describe(network, options, *module, processor->cpu);
    bool isProgram = options.emit == "exe" || options.emit == "lib";
    if (isProgram) // in objects kernels are named by what they do, for models share them
      cache.symbolOf = ObjectStore::symbolOf;
    if (isProgram && options.cache) {
      store.emplace(*processor, level());
      cache.stored = [&](llvm::StringRef key) -> std::optional<int64_t> {
        const ObjectStore::Stored *s = store->find(key);
        return s ? std::optional(s->pieces) : std::nullopt;
      };
      if (options.tune && store->where().empty())
        return fail("--tune keeps what it finds beside the stored kernels, and there is no folder for them: see CNNC_CACHE");
      tuner.emplace(*processor, pipeline, store->where());
      cache.choose = [&](const KernelTrial &trial) { return tuner->choose(trial, options.tune); };
      if (options.tune)
        context.enableMultithreading();
    }
    std::pair<const char *, Program *> functions[] = {
        {"train_step", &tables.trainStep}, {"predict", &tables.predict}, {"predict_one", &tables.predictOne}};
    for (auto [name, program] : functions) {
      if (options.inference && program == &tables.trainStep)
        continue;
      auto lowered = lowerToKernels(module->lookupSymbol(name), *kernels, cache, processor->info);
      if (failed(lowered))
        return internal(std::string("@") + name + " has no kernels");
      *program = std::move(*lowered);
    }
    if (options.tune) {
      context.disableMultithreading();
      llvm::errs() << "tuned " << tuner->measured << " kernels, " << tuner->changed << " got other tiles than the rule's\n";
    }
    module->lookupSymbol("schedule")->moveBefore(kernels->getBody(), kernels->getBody()->end());
    if (options.emit == "loops")
      return print(*kernels);
    return isProgram ? makeProgram(tables, *processor) : makeText(tables, *processor);
  }

private:
  const Network &network;
  const CompileOptions &options;
  DiagnosticEngine &diagnostics;
  PipelineOptions pipeline;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> kernels;
  KernelCache cache;
  std::optional<ObjectStore> store;
  std::optional<Tuner> tuner;

  OptimisationLevel level() const { return options.optimise ? OptimisationLevel::Full : OptimisationLevel::None; }

  /// All kernels in one module: LLVM IR, assembly or an object to read.
  int makeText(const ModelTables &tables, const Processor &processor) {
    if (failed(runToLlvm(*kernels, pipeline)))
      return internal("the kernels have no LLVM form");
    llvm::LLVMContext llvmContext;
    auto model = translate(*kernels, processor, llvmContext);
    if (!model)
      return internal(toString(model.takeError()));
    addModel(**model, tables, processor);
    if (options.optimise)
      optimise(**model, processor);
    if (options.emit == "llvm") {
      std::string text;
      llvm::raw_string_ostream os(text);
      (*model)->print(os, nullptr);
      return write(os.str());
    }
    auto code = emitCode(**model, processor, options.emit == "asm");
    return code ? write(*code) : internal(toString(code.takeError()));
  }

  /// Each kernel becomes an object of its own, on all cores, or is one already.
  int makeProgram(const ModelTables &tables, const Processor &processor) {
    context.enableMultithreading();
    mlir::OwningOpRef<mlir::ModuleOp> model = mlir::ModuleOp::create(kernels->getLoc());
    kernels->lookupSymbol("schedule")->moveBefore(model->getBody(), model->getBody()->end());

    separate(*kernels);
    if (failed(runToLlvm(*model, pipeline)) || failed(runToLlvm(*kernels, pipeline)))
      return internal("the kernels have no LLVM form");
    auto objects = emitObjects(*kernels, options.mcpu, level());
    if (!objects)
      return internal(toString(objects.takeError()));
    bool isNew = !objects->empty();
    for (const auto &entry : cache.made) {
      const MadeKernel &kernel = entry.second;
      if (kernel.isStored)
        (*objects)[kernel.symbol] = store->find(entry.first())->object;
      else if (store)
        store->save(entry.first(), kernel.pieces, (*objects)[kernel.symbol]);
    }
    constexpr uint64_t mostStored = 256 << 20;
    if (store && isNew)
      store->prune(mostStored);

    llvm::LLVMContext llvmContext;
    auto module = translate(*model, processor, llvmContext);
    if (!module)
      return internal(toString(module.takeError()));
    addModel(**module, tables, processor);
    auto code = emitCode(**module, processor, /*assembly=*/false);
    if (!code)
      return internal(toString(code.takeError()));
    std::vector<std::string> all = {std::move(*code)};
    for (auto &[symbol, object] : *objects) // by symbol, wherever they come from: the same program
      all.push_back(std::move(object));
    const LibrarySizes sizes{network.input.channels, network.input.height, network.input.width, network.classes, network.train.batch};
    llvm::Error error = options.emit == "lib" ? linkLibrary(all, network.name, sizes, options.outputPath)
                                              : linkTrainer(all, options.outputPath, options.inference);
    if (error)
      return fail(toString(std::move(error)));
    return done;
  }

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

int cnncCompile(const Network &network, const CompileOptions &options, DiagnosticEngine &diagnostics) {
  return Compilation(network, options, diagnostics).run();
}

} // namespace cnnc
