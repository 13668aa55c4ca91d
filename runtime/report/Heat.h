// Heat and maps as pictures.
// In: numbers 0..1.  Out: colours.
#pragma once
#include "runtime/data/Image.h"

namespace rt {

/// From dark violet over red to light yellow, as matplotlib's inferno; t in 0..1.
void heatColour(double t, uint8_t rgb[3]);
/// `heat` (H,W) laid over the picture (H,W,1 or 3), both enlarged `zoom` times; the picture alone stands to the left.
Image overlay(const Image &picture, const std::vector<double> &heat, int64_t zoom);

} // namespace rt
