// Pictures inside a page.
// In: bytes (H,W,C).  Out: PNG, and text for an <img>.
#pragma once
#include "runtime/data/Image.h"

namespace rt {

/// 1 or 3 channels.
std::string encodePng(const Image &image);
/// "data:image/png;base64,..."
std::string dataUrl(const std::string &png);

} // namespace rt
