// The readers that the `data` block can name; each stands in a file of its own.
// In: files.  Out: a set in memory.  To add one: a function here, a line in Dataset.cpp's table, a test.
#pragma once
#include "runtime/data/Dataset.h"

namespace rt {

using Reader = std::shared_ptr<const Dataset>(const ReaderInput &);

Reader readIdx;         ///< "idx": files = images, labels; plain or gzip
Reader readCifarBinary; ///< "cifar10", "cifar100": records of label byte(s) and planar pixels
Reader readCsv;         ///< "csv": files = one file of lines PATH,LABEL
Reader readNpy;         ///< "npy": files = images.npy, labels.npy, or one .npz with members x and y
Reader readImageFolder; ///< "folder": files = a directory with one directory a class

/// What a set may hold in memory of pictures that were decoded, or of a file that was inflated.
uint64_t cacheBytes(const ReadOptions &options);

/// A file below the root, or the path itself where it is absolute.
std::string pathBelow(const std::string &root, const std::string &file);

} // namespace rt
