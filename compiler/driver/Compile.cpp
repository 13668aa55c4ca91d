// The stages after the front end, in order: one line a stage.
// In: a Network.  Out: what --emit asks for.
#include "compiler/driver/Compile.h"

#include "compiler/codegen/Codegen.h"
#include "compiler/codegen/ObjectStore.h"
#include "compiler/codegen/Tuner.h"
#include "compiler/driver/Description.h"
#include "compiler/driver/Memory.h"
#include "compiler/driver/Traffic.h"
#include "compiler/kernels/Recompute.h"
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
    pipeline.fold = options.inference;
  }

  int run() {
    if (options.target != "cpu")
      return fail("--target " + options.target + " is not built into this cnnc: there is cpu");
    if (options.emit == "ptx")
      return fail("--emit=ptx is not built into this cnnc: there are cnn, train, linalg, loops, llvm, asm, obj, lib");

    if (options.tune && (options.mcpu != "native" || !options.cache || !options.optimise || (options.emit != "exe" && options.emit != "lib")))
      return fail("--tune measures optimised kernels on this machine and keeps what it finds: it goes with a program or --emit=lib, without --mcpu, -O0 or --no-cache");

    auto names = processorLevels(options.mcpu);
    if (!names)
      return fail(toString(names.takeError()));
    pipeline.narrow = network.train.precision == Precision::BF16;
    bool isProgram = options.emit == "exe" || options.emit == "lib", isReport = options.emit == "memory" || options.emit == "traffic";
    if (names->size() > 1 && (options.emit == "loops" || options.emit == "llvm" || options.emit == "asm" || options.emit == "obj" || isReport))
      return fail((isReport ? "show --" : "--emit=") + options.emit + " shows the code of one processor; --mcpu " + options.mcpu + " names " + std::to_string(names->size()));
    std::string cpus;
    bool hasTiles = false;
    for (const std::string &name : *names) {
      auto processor = makeProcessor(name, optimisation());
      if (!processor)
        return fail(toString(processor.takeError()));
      processor->info.winograd = options.winograd && options.optimise; // its kernels are the longest ones
      if (pipeline.narrow && !processor->info.dotsPairs)
        return fail("precision bf16 needs a processor that multiplies pairs of bf16 (AVX512-BF16: AMD Zen 4, Intel Sapphire Rapids and later), " + processor->cpu +
                    " is none; f32 and f64 run everywhere");
      hasTiles |= llvm::StringRef(processor->features).contains("amx-bf16");
      processor->info.splitsF32 = network.train.precision == Precision::BF16x3 && processor->info.amx;
      cpus += (cpus.empty() ? "" : "+") + processor->cpu;
      levels.push_back(std::make_unique<Level>(name, std::move(*processor)));
    }
    if (network.train.precision == Precision::BF16x3 && !hasTiles)
      return fail("precision bf16x3 needs a processor that multiplies tiles of bf16 (AMX: Intel Sapphire Rapids and later), " + cpus +
                  " is none; --precision f32 runs everywhere, --mcpu amx makes code for such a processor, and --mcpu " + options.mcpu +
                  "+amx a program that computes plain f32 where there are no tiles");
    if (options.tune && ObjectStore(levels.front()->processor, optimisation()).where().empty())
      return fail("--tune keeps what it finds beside the stored kernels, and there is no folder for them: see CNNC_CACHE");
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

    std::string description = describe(network, options, *module, cpus);
    for (const auto &level : levels) {
      level->tables.description = description;
      level->tables.level = &level - &levels.front();
      level->tables.hasNextLevel = level != levels.back();
      if (std::string name = lower(*module, *level, isProgram); !name.empty())
        return internal("@" + name + " has no kernels");
      chainInference(*level, options.maxMemory ? 0 : level->tables.trainStep.memoryOn(boundThreads));
      if ((options.maxMemory || options.emit == "memory") && !fit(*module, *level))
        return refused;
      if (options.maxMemory)
        chainInference(*level, level->tables.trainStep.memoryOn(boundThreads));
    }
    if (options.emit == "loops")
      return print(*levels.front()->kernels);
    if (options.emit == "memory")
      return write(memoryReport(network, levels.front()->peak, levels.front()->recomputed, options.json));
    if (options.emit == "traffic")
      return write(trafficReport(network, levels.front()->tables.trainStep, options.json));
    return isProgram ? makeProgram() : makeText(*levels.front());
  }

private:
  const Network &network;
  const CompileOptions &options;
  DiagnosticEngine &diagnostics;
  PipelineOptions pipeline;
  mlir::MLIRContext context;

  /// What there is once for each processor of --mcpu.
  struct Level {
    Level(std::string mcpu, Processor processor) : mcpu(std::move(mcpu)), processor(std::move(processor)) {}
    std::string mcpu;
    Processor processor;
    mlir::OwningOpRef<mlir::ModuleOp> kernels;
    ModelTables tables;
    KernelCache cache;
    PeakMemory peak{}; ///< where it is asked for
    std::optional<Recomputed> recomputed;
    std::optional<ObjectStore> store;
    std::optional<Tuner> tuner;
  };
  std::vector<std::unique_ptr<Level>> levels; ///< the most demanding first

  OptimisationLevel optimisation() const { return options.optimise ? OptimisationLevel::Full : OptimisationLevel::None; }

  /// The functions of `module` as kernels and programs for one processor; gives the name of the one that has none, else "".
  std::string lower(mlir::ModuleOp module, Level &level, bool isProgram) {
    level.kernels = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
    level.tables.isF64 = network.train.precision == Precision::F64;
    if (isProgram) // in objects kernels are named by what they do, for models share them
      level.cache.symbolOf = [&level](llvm::StringRef key) { return ObjectStore::symbolOf(key, level.processor); };
    if (isProgram && options.cache) {
      level.store.emplace(level.processor, optimisation());
      level.cache.stored = [&level](llvm::StringRef key) -> std::optional<int64_t> {
        const ObjectStore::Stored *s = level.store->find(key);
        return s ? std::optional(s->pieces) : std::nullopt;
      };
      level.tuner.emplace(level.processor, pipeline, level.store->where());
      level.cache.choose = [&](const KernelTrial &trial) { return level.tuner->choose(trial, options.tune); };
    }
    context.disableMultithreading(!options.tune); // trials are compiled side by side
    mlir::OwningOpRef<mlir::ModuleOp> own = mlir::cast<mlir::ModuleOp>(module->clone()); // lowering takes it apart
    std::pair<const char *, Program *> functions[] = {
        {"train_step", &level.tables.trainStep}, {"predict", &level.tables.predict}, {"predict_one", &level.tables.predictOne}};
    for (auto [name, program] : functions) {
      bool isEvaluation = options.maxMemory && program == &level.tables.predict; // it takes the same arena
      if (program == &level.tables.trainStep ? options.inference : (options.emit == "memory" || options.emit == "traffic") && !isEvaluation)
        continue;
      auto lowered = lowerToKernels(own->lookupSymbol(name), *level.kernels, level.cache, level.processor.info);
      if (failed(lowered))
        return name;
      *program = std::move(*lowered);
    }
    context.disableMultithreading();
    if (options.tune)
      llvm::errs() << "tuned " << level.tuner->measured << " kernels, " << level.tuner->changed << " got other tiles than the rule's\n";
    own->lookupSymbol("schedule")->moveBefore(level.kernels->getBody(), level.kernels->getBody()->end());
    return "";
  }

  /// Brings the level's training step under --max-memory, if there is one; false after having said that it cannot be.
  bool fit(mlir::ModuleOp module, Level &level) {
    Program &step = level.tables.trainStep;
    const Program &evaluation = level.tables.predict;
    int64_t scratch = mostScratch(module, level);
    auto measure = [&] { level.peak = peakMemory(network, step, evaluation, scratch); };
    measure();
    if (!options.maxMemory)
      return true;
    level.recomputed = recompute(step, level.peak.arenaWithin(options.maxMemory), level.processor.info.chainBytes);
    measure();
    int64_t peak = level.peak.on(boundThreads), mib = 1 << 20;
    if (peak <= options.maxMemory)
      return true;
    std::string processor = levels.size() > 1 ? " for " + level.mcpu : "";
    diagnostics.report(Diag::MemoryBound, {}, {network.name, std::to_string(network.train.batch), inMib(options.maxMemory) + processor})
        .note("the least that recomputation reaches is " + inMib(peak) + " on " + std::to_string(boundThreads) + " threads: arena " + inMib(level.peak.arena(boundThreads)) +
              (evaluation.memoryOn(boundThreads) > step.memoryOn(boundThreads) ? " (for evaluation)" : "") + ", parameters and optimiser's states " + inMib(level.peak.tensors) + ", a batch " +
              inMib(level.peak.batch) + ", the program and its threads " + inMib(peak - level.peak.arena(boundThreads) - level.peak.tensors - level.peak.batch))
        .help("--max-memory " + std::to_string((peak + mib - 1) / mib) + "MiB is met; a smaller --batch" +
              (network.train.precision == Precision::F32 || network.train.precision == Precision::BF16x3 ? " or --precision bf16 needs less" : " needs less"));
    return false;
  }

  /// Chains of evaluation may hold more at a time: they do where that is within `bytes`, what training takes, or, without training, twice what launches
  /// one behind the other take.
  void chainInference(Level &level, int64_t bytes) {
    Program &predict = level.tables.predict;
    if (predict.launches.empty())
      return;
    Program chained = predict;
    formChains(chained, level.processor.info.chainBytes);
    planMemory(chained);
    if (chained.memoryOn(boundThreads) <= std::max(bytes, (options.inference ? 2 : 1) * predict.memoryOn(boundThreads)))
      predict = std::move(chained);
  }

  /// The most stack that a kernel of the training step takes for its scratch. Kernels that are stored have no text to look into: all are made here.
  int64_t mostScratch(mlir::ModuleOp module, Level &level) {
    mlir::OwningOpRef<mlir::ModuleOp> own = mlir::cast<mlir::ModuleOp>(module->clone()), kernels = mlir::ModuleOp::create(module.getLoc());
    KernelCache cache;
    if (level.tuner)
      cache.choose = [&](const KernelTrial &trial) { return level.tuner->choose(trial, /*measure=*/false); };
    int64_t most = 0;
    if (failed(lowerToKernels(own->lookupSymbol("train_step"), *kernels, cache, level.processor.info)))
      return most;
    for (auto kernel : kernels->getOps<mlir::func::FuncOp>()) {
      int64_t bytes = 0;
      kernel.walk([&](mlir::memref::AllocaOp a) { bytes += a.getType().getNumElements() * a.getType().getElementTypeBitWidth() / 8; });
      most = std::max(most, bytes);
    }
    return most;
  }

  /// All kernels in one module: LLVM IR, assembly or an object to read.
  int makeText(Level &level) {
    const Processor &processor = level.processor;
    if (failed(runToLlvm(*level.kernels, pipeline)))
      return internal("the kernels have no LLVM form");
    llvm::LLVMContext llvmContext;
    auto model = translate(*level.kernels, processor, llvmContext);
    if (!model)
      return internal(toString(model.takeError()));
    addModel(**model, level.tables, processor);
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

  /// A level's objects: its tables, then its kernels by symbol. Each kernel becomes an object on all cores, or is one already.
  llvm::Expected<std::vector<std::string>> objectsOf(Level &level) {
    mlir::OwningOpRef<mlir::ModuleOp> model = mlir::ModuleOp::create(level.kernels->getLoc());
    level.kernels->lookupSymbol("schedule")->moveBefore(model->getBody(), model->getBody()->end());
    separate(*level.kernels);
    if (failed(runToLlvm(*model, pipeline)) || failed(runToLlvm(*level.kernels, pipeline)))
      return llvm::createStringError("the kernels have no LLVM form");
    auto objects = emitObjects(*level.kernels, level.mcpu, optimisation());
    if (!objects)
      return objects.takeError();
    bool isNew = !objects->empty();
    for (const auto &entry : level.cache.made) {
      const MadeKernel &kernel = entry.second;
      if (kernel.isStored)
        (*objects)[kernel.symbol] = level.store->find(entry.first())->object;
      else if (level.store)
        level.store->save(entry.first(), kernel.pieces, (*objects)[kernel.symbol]);
    }
    constexpr uint64_t mostStored = 256 << 20;
    if (level.store && isNew)
      level.store->prune(mostStored);

    llvm::LLVMContext llvmContext;
    auto module = translate(*model, level.processor, llvmContext);
    if (!module)
      return module.takeError();
    addModel(**module, level.tables, level.processor);
    auto code = emitCode(**module, level.processor, /*assembly=*/false);
    if (!code)
      return code.takeError();
    std::vector<std::string> all = {std::move(*code)};
    for (auto &[symbol, object] : *objects) // by symbol, wherever they come from: the same program
      all.push_back(std::move(object));
    return all;
  }

  int makeProgram() {
    context.enableMultithreading();
    std::vector<std::string> all;
    for (const auto &level : levels) {
      auto objects = objectsOf(*level);
      if (!objects)
        return internal(toString(objects.takeError()));
      std::move(objects->begin(), objects->end(), std::back_inserter(all));
    }
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
  auto *compilation = new Compilation(network, options, diagnostics); // the process ends soon: to free what it holds, operation by operation, would take a tenth of its time
  return compilation->run();
}

} // namespace cnnc
