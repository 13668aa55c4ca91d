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
  if (it == texts.end())
    return "";
  std::string text = it->second;
  for (size_t id = 0; id < allCodes().size(); ++id)
    if (info(Diag(id)).code == code && info(Diag(id)).severity == Severity::Warning)
      text += "\n-W no-" + warningName(Diag(id)) + " silences it, -W error=" + warningName(Diag(id)) + " makes it an error.\n";
  return text;
}

} // namespace cnnc
