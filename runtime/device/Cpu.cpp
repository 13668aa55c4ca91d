// Does this processor have what the model was compiled for?
// In: feature names as LLVM spells them.  Out: a look at cpuid for each (Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E).
#include "runtime/device/Cpu.h"
#include <algorithm>
#include <cpuid.h>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <sys/syscall.h>
#include <unistd.h>

namespace rt {

namespace {
enum Register { eax, ebx, ecx, edx };
// State that the operating system must save (XCR0) for the feature's registers to be usable.
enum Saved { any = 0, avxState = 0x6, avx512State = 0xe6, amxState = 0x60000 };

struct Feature {
  const char *name;
  uint32_t leaf, subleaf;
  Register reg;
  int bit;
  uint64_t saved;
};
} // namespace

static const Feature features[] = {
    {"sse", 1, 0, edx, 25, any}, {"sse2", 1, 0, edx, 26, any}, {"sse3", 1, 0, ecx, 0, any}, {"pclmul", 1, 0, ecx, 1, any},
    {"ssse3", 1, 0, ecx, 9, any}, {"fma", 1, 0, ecx, 12, avxState}, {"cx16", 1, 0, ecx, 13, any}, {"sse4.1", 1, 0, ecx, 19, any},
    {"sse4.2", 1, 0, ecx, 20, any}, {"crc32", 1, 0, ecx, 20, any}, {"movbe", 1, 0, ecx, 22, any}, {"popcnt", 1, 0, ecx, 23, any},
    {"aes", 1, 0, ecx, 25, any}, {"xsave", 1, 0, ecx, 26, any}, {"avx", 1, 0, ecx, 28, avxState}, {"f16c", 1, 0, ecx, 29, avxState},
    {"rdrnd", 1, 0, ecx, 30, any}, {"fsgsbase", 7, 0, ebx, 0, any}, {"bmi", 7, 0, ebx, 3, any}, {"avx2", 7, 0, ebx, 5, avxState},
    {"bmi2", 7, 0, ebx, 8, any}, {"avx512f", 7, 0, ebx, 16, avx512State}, {"avx512dq", 7, 0, ebx, 17, avx512State},
    {"rdseed", 7, 0, ebx, 18, any}, {"adx", 7, 0, ebx, 19, any}, {"avx512ifma", 7, 0, ebx, 21, avx512State},
    {"clflushopt", 7, 0, ebx, 23, any}, {"clwb", 7, 0, ebx, 24, any}, {"avx512cd", 7, 0, ebx, 28, avx512State},
    {"sha", 7, 0, ebx, 29, any}, {"avx512bw", 7, 0, ebx, 30, avx512State}, {"avx512vl", 7, 0, ebx, 31, avx512State},
    {"avx512vbmi", 7, 0, ecx, 1, avx512State}, {"avx512vbmi2", 7, 0, ecx, 6, avx512State}, {"gfni", 7, 0, ecx, 8, any},
    {"vaes", 7, 0, ecx, 9, avxState}, {"vpclmulqdq", 7, 0, ecx, 10, avxState}, {"avx512vnni", 7, 0, ecx, 11, avx512State},
    {"avx512bitalg", 7, 0, ecx, 12, avx512State}, {"avx512vpopcntdq", 7, 0, ecx, 14, avx512State},
    {"movdiri", 7, 0, ecx, 27, any}, {"movdir64b", 7, 0, ecx, 28, any}, {"avx512vp2intersect", 7, 0, edx, 8, avx512State},
    {"amx-bf16", 7, 0, edx, 22, amxState}, {"avx512fp16", 7, 0, edx, 23, avx512State}, {"amx-tile", 7, 0, edx, 24, amxState},
    {"amx-int8", 7, 0, edx, 25, amxState}, {"avxvnni", 7, 1, eax, 4, avxState}, {"avx512bf16", 7, 1, eax, 5, avx512State},
    {"amx-fp16", 7, 1, eax, 21, amxState}, {"avxifma", 7, 1, eax, 23, avxState}, {"avxvnniint8", 7, 1, edx, 4, avxState},
    {"avxneconvert", 7, 1, edx, 5, avxState}, {"xsaveopt", 13, 1, eax, 0, any}, {"xsavec", 13, 1, eax, 1, any},
    {"sahf", 0x80000001u, 0, ecx, 0, any}, {"lzcnt", 0x80000001u, 0, ecx, 5, any}, {"sse4a", 0x80000001u, 0, ecx, 6, any},
    {"prfchw", 0x80000001u, 0, ecx, 8, any}, {"xop", 0x80000001u, 0, ecx, 11, avxState}, {"fma4", 0x80000001u, 0, ecx, 16, avxState},
    {"tbm", 0x80000001u, 0, ecx, 21, any},
};

static uint64_t savedState() {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
    return 0;
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t(high) << 32) | low;
}

/// Linux lends the tile registers to processes that ask, and to the threads that they start from then on.
static bool mayUseTiles() {
  constexpr long requestPermission = 0x1023, tileData = 18; // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  static const bool granted = syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
  return granted;
}

/// Whether $CNN_EMULATED_CPU names the feature: something that runs below the program carries its instructions out.
static bool isEmulated(std::string_view name) {
  const char *list = std::getenv("CNN_EMULATED_CPU");
  return list && ("," + std::string(list) + ",").find("," + std::string(name) + ",") != std::string::npos;
}

static bool isPresent(const Feature &feature) {
  if (isEmulated(feature.name))
    return true;
  uint32_t r[4];
  if (!__get_cpuid_count(feature.leaf, feature.subleaf, &r[eax], &r[ebx], &r[ecx], &r[edx]))
    return false;
  return (r[feature.reg] >> feature.bit & 1) && (savedState() & feature.saved) == feature.saved;
}

static bool has(const Feature &feature) { return isPresent(feature) && (feature.saved != amxState || mayUseTiles()); }

std::vector<std::string> missingCpuFeatures(const std::string &list) {
  std::vector<std::string> missing;
  for (size_t begin = 0; begin < list.size();) {
    size_t end = std::min(list.find(',', begin), list.size());
    std::string name = list.substr(begin, end - begin);
    begin = end + 1;
    if (!name.empty() && name[0] == '+')
      name.erase(0, 1);
    if (name.empty())
      continue;
    // A name that this table does not know cannot be vouched for: code that uses it must not run.
    const auto feature = std::find_if(std::begin(features), std::end(features), [&](const Feature &f) { return name == f.name; });
    if (feature == std::end(features) || !has(*feature))
      missing.push_back(name);
  }
  return missing;
}

std::string cpuName() {
  char name[49] = {};
  for (uint32_t i = 0; i < 3; ++i) {
    uint32_t r[4];
    if (!__get_cpuid(0x80000002u + i, &r[0], &r[1], &r[2], &r[3]))
      return "unknown x86 processor";
    std::memcpy(name + 16 * i, r, sizeof r);
  }
  std::string_view text(name);
  while (!text.empty() && text.back() == ' ')
    text.remove_suffix(1);
  return std::string(text);
}

size_t secondLevelCacheBytes() {
  const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? size_t(bytes) : 1 << 20;
}

} // namespace rt
