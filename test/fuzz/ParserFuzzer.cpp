// Any text is answered by the parser: refused with a message, or parsed, and then its form can be set anew, once for all.
// In: bytes.  Out: nothing; a crash, a hang or an assertion is the finding.
#include "compiler/frontend/Format.h"
#include "compiler/frontend/Parse.h"

#include <cstdlib>
#include <sys/resource.h>

using namespace cnnc;

/// The parser runs on the fuzzer's own stack, for speed.
extern "C" int LLVMFuzzerInitialize(int *, char ***) {
  constexpr rlim_t stackBytes = 120 << 20; // Linux leaves a gap of 128 MiB below every stack
  rlimit limit;
  if (getrlimit(RLIMIT_STACK, &limit) != 0)
    return 1;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? stackBytes : std::min(stackBytes, limit.rlim_max);
  return setrlimit(RLIMIT_STACK, &limit);
}

static std::shared_ptr<const SourceFile> sourceOf(std::string text) {
  auto source = std::make_shared<SourceFile>();
  source->path = "fuzz.cnn";
  source->text = std::move(text);
  return source;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  constexpr size_t limit = 64 << 10;
  if (size > limit)
    return -1;
  auto source = sourceOf(std::string(reinterpret_cast<const char *>(data), size));
  DiagnosticEngine syntax;
  bool parsed = parse(source, syntax).has_value();
  if (!parsed && !syntax.hasErrors())
    std::abort(); // refused without a reason
  if (!parsed || syntax.hasErrors()) {
    syntax.render({true});
    return 0;
  }
  DiagnosticEngine unused;
  auto formatted = formatSource(source, unused);
  if (!formatted)
    std::abort(); // what parses can be formatted,
  DiagnosticEngine again;
  if (auto twice = formatSource(sourceOf(*formatted), again); !twice || *twice != *formatted)
    std::abort(); // and stays as it is
  return 0;
}
