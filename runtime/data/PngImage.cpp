// PNG through libpng, header first and within limits.
// In: the file's bytes.  Out: 8 bits a channel, grey or RGB; alpha is dropped, 16 bits become 8.
#include "runtime/Failure.h"
#include "runtime/data/Image.h"
#include <csetjmp>
#include <cstring>
#include <png.h>

namespace rt {

namespace {
// All that must outlive a longjmp out of libpng stands here, not on the stack of the function that calls setjmp.
struct PngDecoding {
  const std::string *bytes;
  size_t at = 0;
  std::string problem;
  Image image;
  std::vector<png_bytep> rows;
};
} // namespace

static void readBytes(png_structp png, png_bytep out, size_t n) {
  auto *decoding = static_cast<PngDecoding *>(png_get_io_ptr(png));
  if (n > decoding->bytes->size() - decoding->at)
    png_error(png, "the file is truncated");
  std::memcpy(out, decoding->bytes->data() + decoding->at, n);
  decoding->at += n;
}

static void onError(png_structp png, png_const_charp message) {
  static_cast<PngDecoding *>(png_get_error_ptr(png))->problem = message;
  png_longjmp(png, 1);
}
static void onWarning(png_structp, png_const_charp) {}

static void decode(png_structp png, png_infop info, PngDecoding &decoding) {
  if (setjmp(png_jmpbuf(png)))
    return;
  constexpr png_uint_32 side = largestSide;
  constexpr png_alloc_size_t largestChunk = 8000000; // libpng's own default, stated here so that it holds with any build
  png_set_user_limits(png, side, side);
  png_set_chunk_malloc_max(png, largestChunk);
  png_set_read_fn(png, &decoding, readBytes);
  png_read_info(png, info);
  Image &image = decoding.image;
  image.width = png_get_image_width(png, info);
  image.height = png_get_image_height(png, info);
  if (image.width * image.height > largestArea)
    png_error(png, "the picture has too many pixels");
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  (void)passes;
  image.channels = png_get_channels(png, info);
  if (image.channels != 1 && image.channels != 3)
    png_error(png, "the picture is neither grey nor RGB");
  image.pixels.resize(size_t(image.width * image.height * image.channels));
  for (int64_t h = 0; h < image.height; ++h)
    decoding.rows.push_back(&image.pixels[size_t(h * image.width * image.channels)]);
  png_read_image(png, decoding.rows.data());
  png_read_end(png, nullptr);
}

Image decodePng(const std::string &bytes, const std::string &path) {
  PngDecoding decoding;
  decoding.bytes = &bytes;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoding, onError, onWarning);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  if (!info) {
    png_destroy_read_struct(&png, nullptr, nullptr);
    fail(Exit::runFailed, "not enough memory to read {}", printable(path));
  }
  decode(png, info, decoding);
  png_destroy_read_struct(&png, &info, nullptr);
  if (!decoding.problem.empty())
    fail(Exit::badData, "{} is not a good PNG file: {}", printable(path), decoding.problem);
  return std::move(decoding.image);
}

} // namespace rt
