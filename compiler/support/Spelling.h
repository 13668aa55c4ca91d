// "Did you mean": the known name nearest to a misspelt one.
// In: what was written and what is known.  Out: the nearest name, or nothing if none is near.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace cnnc {

/// Nearest by edit distance (a swap of neighbours counts as one), at most a third of the length; case does not count.
/// Where none is, a name that begins with the word, or whose last part it is (accuracy: val.accuracy). A word of another framework ("linear", "padding") gives this language's word if that is known.
std::optional<std::string> nearest(const std::string &written, const std::vector<std::string> &known);

/// "did you mean `conv`?", or empty.
std::string didYouMean(const std::string &written, const std::vector<std::string> &known);

} // namespace cnnc
