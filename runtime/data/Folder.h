// Directories as lists of names.
// In: a path.  Out: names in the order of their bytes; those that begin with a dot are not seen.
#pragma once
#include <string>
#include <vector>

namespace rt {

bool isFolder(const std::string &path); ///< or a link to one
/// Fails with Exit::badData on what cannot be read.
std::vector<std::string> entriesOf(const std::string &directory);
/// The folders in a folder.
std::vector<std::string> foldersIn(const std::string &directory);
/// The paths of the pictures in a folder and below it; links to folders are not followed.
std::vector<std::string> picturesBelow(const std::string &directory);
bool isPicture(const std::string &name); ///< by its ending: png, jpg, jpeg, webp

} // namespace rt
