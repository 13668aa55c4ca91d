// LLVM IR -> optimised IR -> assembly or object.
// In: the model's module.  Out: bytes.
#include "compiler/codegen/Codegen.h"

#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Passes/PassBuilder.h"

using namespace llvm;

namespace cnnc {

void optimise(Module &module, const Processor &processor) {
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager graph;
  ModuleAnalysisManager modules;
  PipelineTuningOptions tuning;
  tuning.LoopVectorization = false; // the kernels are vectors already
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = false; // they are unrolled as the registers allow
  // What finds nothing in kernels and takes a seventh of the time: Float2Int is the first pass after simplification, whose combinations of
  // instructions only clean up after vectorisation.
  bool isSimplified = false;
  PassInstrumentationCallbacks callbacks;
  callbacks.registerShouldRunOptionalPassCallback([&](StringRef pass, Any) {
    isSimplified |= pass == "Float2IntPass";
    return pass != "LoopLoadEliminationPass" && pass != "DSEPass" && !(isSimplified && pass == "InstCombinePass");
  });
  PassBuilder builder(processor.machine.get(), tuning, std::nullopt, &callbacks);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graph, modules);
  builder.buildPerModuleDefaultPipeline(OptimizationLevel::O2).run(module, modules);
}

Expected<std::string> emitCode(Module &module, const Processor &processor, bool assembly) {
  std::string error;
  raw_string_ostream errors(error);
  if (verifyModule(module, &errors))
    return createStringError("the generated LLVM IR is not valid: " + errors.str());
  SmallVector<char, 0> bytes;
  raw_svector_ostream out(bytes);
  legacy::PassManager passes;
  auto kind = assembly ? CodeGenFileType::AssemblyFile : CodeGenFileType::ObjectFile;
  if (processor.machine->addPassesToEmitFile(passes, out, nullptr, kind))
    return createStringError("LLVM cannot emit this kind of file");
  passes.run(module);
  return std::string(bytes.begin(), bytes.end());
}

} // namespace cnnc
