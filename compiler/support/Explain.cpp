// The long form of each message, for `cnnc --explain CODE`.
// In: a code.  Out: what it means, an example and its mend, from Explanations.def.
#include "compiler/support/Diagnostics.h"

#include <map>

namespace cnnc {

std::string explain(const std::string &code) {
  static const std::map<std::string, std::string> texts = {
#define EXPLANATION(code, text) {code, text},
#include "compiler/support/Explanations.def"
#undef EXPLANATION
  };
  auto it = texts.find(code);
  return it == texts.end() ? "" : it->second;
}

} // namespace cnnc
