// WebP through libwebp, header first and within limits.
// In: the file's bytes.  Out: RGB, 8 bits a channel; alpha is dropped; animations are refused.
#include "runtime/Failure.h"
#include "runtime/data/Image.h"
#include <webp/decode.h>

namespace rt {

Image decodeWebp(const std::string &bytes, const std::string &path) {
  const auto *data = reinterpret_cast<const uint8_t *>(bytes.data());
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, bytes.size(), &features) != VP8_STATUS_OK)
    fail(Exit::badData, "{} is not a good WebP file: its header is damaged", printable(path));
  if (features.has_animation)
    fail(Exit::badData, "{} is an animated WebP; one picture is needed", printable(path));
  const int64_t width = features.width, height = features.height;
  if (width < 1 || height < 1 || width > largestSide || height > largestSide || width * height > largestArea)
    fail(Exit::badData, "{} has {}x{} pixels, the limit is {} a side and {} in all", printable(path), width, height, largestSide, largestArea);
  Image image{height, width, 3, std::vector<uint8_t>(size_t(height * width * 3))};
  if (!WebPDecodeRGBInto(data, bytes.size(), image.pixels.data(), image.pixels.size(), int(width * 3)))
    fail(Exit::badData, "{} is not a good WebP file: it is damaged or truncated", printable(path));
  return image;
}

} // namespace rt
