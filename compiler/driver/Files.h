// What cnnc writes.
// In: a path and text.  Out: the file, or why there is none.
#pragma once

#include <string>

namespace cnnc {

/// Writes to a file or, for "-", to standard output. False: errno says why.
bool writeFile(const std::string &path, const std::string &text);

/// Puts `text` in the place of a file that exists, with its mode, through links: it is the old file or the new one, whole, at every moment.
bool replaceFile(const std::string &path, const std::string &text);

} // namespace cnnc
