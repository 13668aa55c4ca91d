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

/// The short names of --mcpu.
static std::string fullName(const std::string &name) {
  constexpr std::pair<const char *, const char *> shortForms[] = {
      {"v2", "x86-64-v2"}, {"v3", "x86-64-v3"}, {"v4", "x86-64-v4"}, {"amx", "sapphirerapids"}};
  for (auto [shortForm, full] : shortForms)
    if (name == shortForm)
      return full;
  return name;
}

Expected<std::vector<std::string>> processorLevels(const std::string &mcpu) {
  struct Level {
    std::string name;
    Processor processor;
    std::pair<int64_t, size_t> rank() const { return {processor.info.vectorBytes, StringRef(processor.features).count(',')}; }
  };
  std::vector<Level> levels;
  SmallVector<StringRef> names;
  StringRef(mcpu).split(names, '+');
  for (StringRef name : names) {
    auto processor = makeProcessor(name.str());
    if (!processor)
      return processor.takeError();
    for (const Level &other : levels)
      if (other.processor.cpu == processor->cpu)
        return createStringError("--mcpu " + mcpu + " names " + processor->cpu + " twice, as " + other.name + " and as " + name.str());
    levels.push_back({name.str(), std::move(*processor)});
  }
  stable_sort(levels, [](const Level &a, const Level &b) { return a.rank() > b.rank(); });
  std::vector<std::string> sorted;
  for (const Level &level : levels)
    sorted.push_back(level.name);
  return sorted;
}

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
    p.cpu = fullName(mcpu);
  }
  features.AddFeature("prefer-256-bit", false); // vectors are as wide as the kernels ask for
  // Levels differ by what kernels use, and a trainer asks the processor for that alone: LLVM is not to use on its own what few have.
  for (const char *few : {"avx512fp16", "sse4a", "xop", "fma4", "tbm", "gfni", "vpclmulqdq", "vaes", "avx512ifma", "avx512vpopcntdq", "avx512bitalg",
                          "avx512vp2intersect", "avxvnni", "avxvnniint8", "avxvnniint16", "avxifma", "avxneconvert", "avx10.2", "egpr", "push2pop2", "ppx",
                          "ndd", "ccmp", "nf", "cf", "zu"})
    features.AddFeature(few, false);
  Triple triple(sys::getProcessTriple());
  std::string message;
  const Target *target = TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return createStringError(message);
  std::unique_ptr<MCSubtargetInfo> known(target->createMCSubtargetInfo(triple, "", ""));
  if (!known || !known->isCPUStringValid(p.cpu))
    return createStringError("there is no processor '" + mcpu + "'; names are native, v2, v3, v4 (x86-64-v2 to -v4), amx (sapphirerapids), and LLVM's, as znver4; several are joined by +");
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
  p.info.nearLastCache = StringRef(p.cpu).starts_with("znver");
  p.info.dotsPairs = avx512 && has("avx512bf16");
  // Tiles need the optimiser: LLVM makes no code of these kernels without it.
  p.info.amx = p.info.dotsPairs && has("amx-tile") && has("amx-bf16") && level == OptimisationLevel::Full;
  if (mcpu == "native") {
    if (long l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE); l1 > 0)
      p.info.l1Bytes = l1;
    if (long l2 = sysconf(_SC_LEVEL2_CACHE_SIZE); l2 > 0)
      p.info.l2Bytes = l2;
  }
  for (const char *feature : {"sse4.2", "popcnt", "avx", "avx2", "fma", "bmi", "bmi2", "lzcnt", "f16c", "movbe", "avx512f", "avx512bw",
                              "avx512dq", "avx512vl", "avx512cd", "avx512vbmi", "avx512vbmi2", "avx512vnni", "avx512bf16", "amx-tile", "amx-bf16"})
    if (has(feature))
      p.features += (p.features.empty() ? "" : ",") + std::string(feature);
  return p;
}

} // namespace cnnc
