// Which of the levels that a program carries it runs.
// In: a chain of models, the most demanding first.  Out: the first that fits, or the one that the environment names.
#include "runtime/device/Level.h"
#include "runtime/Failure.h"
#include "runtime/device/Cpu.h"
#include <cstdlib>

namespace rt {

static const cnn_model &named(const cnn_model &first, const std::string &name) {
  std::string known;
  for (const cnn_model *level = &first; level; level = level->next) {
    const std::string cpu = level->cpu ? level->cpu : "";
    if (cpu == name || cpu == "x86-64-" + name)
      return *level;
    known += (known.empty() ? "" : ", ") + cpu;
  }
  fail(Exit::usage, "CNN_LEVEL is '{}'; this program was compiled for {}", printable(name), known);
}

const cnn_model &chooseLevel(const cnn_model &first) {
  if (const char *name = std::getenv("CNN_LEVEL"); name && *name)
    return named(first, name);
  const cnn_model *level = &first;
  while (level->next && !missingCpuFeatures(level->cpu_features ? level->cpu_features : "").empty())
    level = level->next;
  return *level;
}

} // namespace rt
