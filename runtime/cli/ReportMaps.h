// The part of a report that looks inside: one picture, what speaks for its class, and maps on the way.
// In: a program with its tensors, a sample.  Out: HTML.
#pragma once
#include "runtime/data/BatchLoader.h"
#include "runtime/data/Image.h"
#include "runtime/train/Program.h"

namespace rt {

std::string imageTag(const Image &image, int64_t shownWidth, const std::string &title);
/// A sample as it can be looked at: grey where the network takes neither one nor three channels.
Image shown(const Description &description, const uint8_t *pixels);
std::string mapsInside(Program &program, const BatchLoader &loader, const Dataset &set, int64_t sample);

} // namespace rt
