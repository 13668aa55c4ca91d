// predict --explain-image: which part of a picture speaks for its class.
// In: a picture, as bytes and as the network takes it.  Out: a PNG file.
#pragma once
#include "runtime/data/Image.h"
#include "runtime/train/Program.h"

namespace rt {

/// `picture` has the network's size; `x` is the same, normalised.
void writeExplanation(const std::string &path, Program &program, const Image &picture, const void *x, int64_t classIndex);

} // namespace rt
