// PNG files written through libpng.
// In: an Image.  Out: a file that appears whole or not at all.
#include "runtime/Failure.h"
#include "runtime/data/Image.h"
#include "runtime/params/AtomicFile.h"
#include <png.h>

namespace rt {

void writePng(const std::string &path, const Image &image) {
  png_image header = {};
  header.version = PNG_IMAGE_VERSION;
  header.width = png_uint_32(image.width), header.height = png_uint_32(image.height);
  header.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  if (!png_image_write_to_memory(&header, nullptr, &size, 0, image.pixels.data(), 0, nullptr))
    fail(Exit::runFailed, "cannot encode {}: {}", printable(path), header.message);
  std::string bytes(size, '\0');
  if (!png_image_write_to_memory(&header, &bytes[0], &size, 0, image.pixels.data(), 0, nullptr))
    fail(Exit::runFailed, "cannot encode {}: {}", printable(path), header.message);
  AtomicFile file(path);
  file.write(bytes.data(), size);
  file.commit();
}

} // namespace rt
