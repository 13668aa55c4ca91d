// Pictures from files: decoded within limits, converted to the channels and the size that a network wants.
// In: PNG, JPEG or WebP, told apart by content.  Out: bytes (H,W,C).
#pragma once
#include "runtime/params/Description.h"
#include <cstdint>
#include <string>
#include <vector>

namespace rt {

struct Image {
  int64_t height = 0, width = 0, channels = 0; ///< channels: 1 or 3
  std::vector<uint8_t> pixels;                 ///< (H,W,C)
};

constexpr int64_t largestSide = 16384, largestArea = int64_t(1) << 26;

/// Fails with Exit::badData, naming file and reason.
Image readImage(const std::string &path);
Image decodePng(const std::string &bytes, const std::string &path);
Image decodeJpeg(const std::string &bytes, const std::string &path);
Image decodeWebp(const std::string &bytes, const std::string &path);

/// Grey to RGB by repetition; RGB to grey by ITU-R BT.601, as PIL does.
Image withChannels(Image image, int64_t channels);
/// Bilinear; when it shrinks, the triangle grows with the scale (antialias), as PIL and torchvision do.
Image resized(const Image &image, int64_t height, int64_t width);
/// Grey or RGB; appears whole or not at all, fails with Exit::io.
void writePng(const std::string &path, const Image &image);

/// As the network wants it: its channels, and its size by the data block's `resize`: "stretch" (default); "crop": the shorter side fits, the
/// middle is cut out; "pad": the longer side fits, black around it.
Image fitted(Image image, const Description &description);

} // namespace rt
