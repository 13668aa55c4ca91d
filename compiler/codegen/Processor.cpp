// The target machine, and what the tile rules need to know of it.
// In: a name for --mcpu.  Out: Processor.
#include "compiler/codegen/Codegen.h"

#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"

#include <unistd.h>

using namespace llvm;

namespace cnnc {

Expected<Processor> makeProcessor(const std::string &mcpu, OptimisationLevel level) {
  InitializeNativeTarget();
  InitializeNativeTargetAsmPrinter();
  Processor p;
  SubtargetFeatures features;
  if (mcpu == "native") {
    p.cpu = sys::getHostCPUName().str();
    for (auto &feature : sys::getHostCPUFeatures())
      features.AddFeature(feature.first(), feature.second);
  } else {
    p.cpu = mcpu;
  }
  features.AddFeature("prefer-256-bit", false); // vectors are as wide as the kernels ask for
  Triple triple(sys::getProcessTriple());
  std::string message;
  const Target *target = TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return createStringError(message);
  std::unique_ptr<MCSubtargetInfo> known(target->createMCSubtargetInfo(triple, "", ""));
  if (!known || !known->isCPUStringValid(p.cpu))
    return createStringError("there is no processor '" + mcpu + "'; names are LLVM's: native, x86-64-v2, x86-64-v3, x86-64-v4, znver4, sapphirerapids, ...");
  TargetOptions options;
  options.AllowFPOpFusion = FPOpFusion::Standard; // only what the IR marks for contraction is fused
  p.machine.reset(target->createTargetMachine(triple, p.cpu, features.getString(), options, Reloc::PIC_, std::nullopt,
                                             level == OptimisationLevel::Full ? CodeGenOptLevel::Aggressive : CodeGenOptLevel::None));
  if (!p.machine)
    return createStringError("LLVM makes no code for '" + mcpu + "'");

  const MCSubtargetInfo &subtarget = *p.machine->getMCSubtargetInfo();
  auto has = [&](StringRef feature) { return subtarget.checkFeatures(("+" + feature).str()); };
  bool avx512 = has("avx512f") && has("avx512vl") && has("avx512bw") && has("avx512dq");
  p.info.vectorBytes = avx512 ? 64 : has("avx") ? 32 : 16;
  p.info.registers = avx512 ? 32 : 16;
  // Intel's cores that have the instruction run it at half the rate of f32, and have AMX.
  p.info.dotsPairs = avx512 && has("avx512bf16") && !has("amx-bf16");
  if (mcpu == "native") {
    if (long l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE); l1 > 0)
      p.info.l1Bytes = l1;
    if (long l2 = sysconf(_SC_LEVEL2_CACHE_SIZE); l2 > 0)
      p.info.l2Bytes = l2;
  }
  for (const char *feature : {"sse4.2", "popcnt", "avx", "avx2", "fma", "bmi", "bmi2", "lzcnt", "f16c", "movbe", "avx512f", "avx512bw",
                              "avx512dq", "avx512vl", "avx512cd", "avx512vbmi", "avx512vbmi2", "avx512vnni", "avx512bf16", "avx512fp16"})
    if (has(feature))
      p.features += (p.features.empty() ? "" : ",") + std::string(feature);
  return p;
}

} // namespace cnnc
