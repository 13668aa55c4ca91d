// JPEG through libjpeg-turbo's decoder alone, header first and within limits; its warnings count as errors.
// In: the file's bytes.  Out: grey or RGB, 8 bits a channel; CMYK and YCCK become RGB.
#include "runtime/Failure.h"
#include "runtime/data/Image.h"
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <jpeglib.h>
#include <memory>

namespace rt {

namespace {
/// libjpeg ends an attempt by a jump back; nothing with a destructor may lie between.
struct Attempt {
  jpeg_decompress_struct decoder;
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  std::jmp_buf back;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void giveUp(j_common_ptr info) {
  Attempt *attempt = static_cast<Attempt *>(info->client_data);
  info->err->format_message(info, attempt->message);
  std::longjmp(attempt->back, 1);
}
void noteWarning(j_common_ptr info, int level) {
  if (level < 0)
    giveUp(info);
}
/// A small file of thousands of scans takes minutes to decode.
void limitScans(j_common_ptr info) {
  constexpr int mostScans = 500; // as TJFLAG_LIMITSCANS
  Attempt *attempt = static_cast<Attempt *>(info->client_data);
  if (attempt->decoder.input_scan_number > mostScans) {
    std::snprintf(attempt->message, sizeof attempt->message, "it has more than %d scans", mostScans);
    std::longjmp(attempt->back, 1);
  }
}

bool begin(Attempt &a, const std::string &bytes) {
  if (setjmp(a.back))
    return false;
  jpeg_create_decompress(&a.decoder);
  a.decoder.client_data = &a;
  a.progress.progress_monitor = limitScans;
  a.decoder.progress = &a.progress;
  jpeg_mem_src(&a.decoder, reinterpret_cast<const unsigned char *>(bytes.data()), bytes.size());
  return jpeg_read_header(&a.decoder, TRUE) == JPEG_HEADER_OK;
}

bool decode(Attempt &a, uint8_t *pixels, size_t rowBytes) {
  if (setjmp(a.back))
    return false;
  jpeg_start_decompress(&a.decoder);
  while (a.decoder.output_scanline < a.decoder.output_height) {
    JSAMPROW row = pixels + size_t(a.decoder.output_scanline) * rowBytes;
    jpeg_read_scanlines(&a.decoder, &row, 1);
  }
  return jpeg_finish_decompress(&a.decoder);
}
/// Rows of C, M, Y, K to rows of R, G, B, as Pillow's convert("RGB"): without a colour profile, and inverted, for so Adobe's programs, which write
/// these files, store them.  R = k - (255 - c) k / 255 of the bytes as they are not inverted: c is 255 - C, k is 255 - K.
std::vector<uint8_t> fromInvertedCmyk(const std::vector<uint8_t> &cmyk) {
  constexpr size_t inks = 4, colours = 3;
  std::vector<uint8_t> rgb(cmyk.size() / inks * colours);
  for (size_t pixel = 0; pixel < cmyk.size() / inks; ++pixel)
    for (size_t i = 0; i < colours; ++i) {
      const int k = cmyk[pixel * inks + colours], product = (255 - cmyk[pixel * inks + i]) * k + 128;
      rgb[pixel * colours + i] = uint8_t(std::max(0, k - (((product >> 8) + product) >> 8))); // product / 255, rounded
    }
  return rgb;
}

} // namespace

Image decodeJpeg(const std::string &bytes, const std::string &path) {
  struct Destroy {
    void operator()(Attempt *a) const {
      jpeg_destroy_decompress(&a->decoder);
      delete a;
    }
  };
  std::unique_ptr<Attempt, Destroy> a(new Attempt{});
  a->decoder.err = jpeg_std_error(&a->errors);
  a->errors.error_exit = giveUp;
  a->errors.emit_message = noteWarning;
  a->decoder.client_data = a.get();
  if (!begin(*a, bytes))
    fail(Exit::badData, "{} is not a good JPEG file: {}", printable(path), printable(a->message));
  const int64_t width = a->decoder.image_width, height = a->decoder.image_height;
  if (width < 1 || height < 1 || width > largestSide || height > largestSide || width * height > largestArea)
    fail(Exit::badData, "{} has {}x{} pixels, the limit is {} a side and {} in all", printable(path), width, height, largestSide, largestArea);
  const J_COLOR_SPACE colours = a->decoder.jpeg_color_space;
  const bool cmyk = colours == JCS_CMYK || colours == JCS_YCCK;
  Image image{height, width, colours == JCS_GRAYSCALE ? 1 : cmyk ? 4 : 3, {}};
  image.pixels.resize(size_t(image.height * image.width * image.channels));
  a->decoder.out_color_space = cmyk ? JCS_CMYK : image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  a->decoder.dct_method = JDCT_ISLOW;
  if (!decode(*a, image.pixels.data(), size_t(image.width * image.channels)))
    fail(Exit::badData, "{} is not a good JPEG file: {}", printable(path), printable(a->message));
  if (cmyk)
    image.pixels = fromInvertedCmyk(image.pixels), image.channels = 3;
  return image;
}

} // namespace rt
