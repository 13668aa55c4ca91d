// Pictures inside a page: PNG with filter 0 and zlib (RFC 2083), base64 (RFC 4648).
// In: bytes (H,W,C).  Out: text.
#include "runtime/report/Picture.h"
#include "runtime/Failure.h"
#include <zlib.h>

namespace rt {

static std::string bigEndian(uint32_t v) { return {char(v >> 24), char(v >> 16), char(v >> 8), char(v)}; }

static std::string chunk(const std::string &kind, const std::string &data) {
  const std::string body = kind + data;
  return bigEndian(uint32_t(data.size())) + body + bigEndian(uint32_t(crc32(0, reinterpret_cast<const Bytef *>(body.data()), uInt(body.size()))));
}

std::string encodePng(const Image &image) {
  const size_t row = size_t(image.width * image.channels);
  std::string raw;
  for (size_t y = 0; y < size_t(image.height); ++y) {
    raw += '\0'; // filter: none
    raw.append(reinterpret_cast<const char *>(image.pixels.data()) + y * row, row);
  }
  uLongf size = compressBound(uLong(raw.size()));
  std::string packed(size, '\0');
  if (compress(reinterpret_cast<Bytef *>(packed.data()), &size, reinterpret_cast<const Bytef *>(raw.data()), uLong(raw.size())) != Z_OK)
    fail(Exit::runFailed, "a picture cannot be compressed");
  packed.resize(size);
  const char colour = image.channels == 3 ? 2 : 0;
  const std::string header = bigEndian(uint32_t(image.width)) + bigEndian(uint32_t(image.height)) + std::string{8, colour, 0, 0, 0};
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + chunk("IDAT", packed) + chunk("IEND", "");
}

std::string dataUrl(const std::string &png) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out = "data:image/png;base64,";
  for (size_t i = 0; i < png.size(); i += 3) {
    uint32_t three = 0;
    for (size_t j = 0; j < 3; ++j)
      three = three << 8 | (i + j < png.size() ? uint8_t(png[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j)
      out += i + j <= png.size() ? digits[three >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

} // namespace rt
