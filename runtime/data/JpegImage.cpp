// JPEG through libjpeg-turbo, header first and within limits; its warnings count as errors.
// In: the file's bytes.  Out: grey or RGB, 8 bits a channel.
#include "runtime/Failure.h"
#include "runtime/data/Image.h"
#include <memory>
#include <turbojpeg.h>

namespace rt {

Image decodeJpeg(const std::string &bytes, const std::string &path) {
  struct Destroy {
    void operator()(void *handle) const { tjDestroy(handle); }
  };
  std::unique_ptr<void, Destroy> handle(tjInitDecompress());
  if (!handle)
    fail(Exit::runFailed, "not enough memory to read {}", printable(path));
  const auto *data = reinterpret_cast<const unsigned char *>(bytes.data());
  int width = 0, height = 0, subsampling = 0, colours = 0;
  if (tjDecompressHeader3(handle.get(), data, bytes.size(), &width, &height, &subsampling, &colours) != 0)
    fail(Exit::badData, "{} is not a good JPEG file: {}", printable(path), tjGetErrorStr2(handle.get()));
  if (width < 1 || height < 1 || width > largestSide || height > largestSide || int64_t(width) * height > largestArea)
    fail(Exit::badData, "{} has {}x{} pixels, the limit is {} a side and {} in all", printable(path), width, height, largestSide, largestArea);
  if (colours == TJCS_CMYK || colours == TJCS_YCCK)
    fail(Exit::badData, "{} is a CMYK JPEG; grey or RGB is needed", printable(path));
  Image image{height, width, colours == TJCS_GRAY ? 1 : 3, {}};
  image.pixels.resize(size_t(image.height * image.width * image.channels));
  const int format = image.channels == 1 ? TJPF_GRAY : TJPF_RGB;
  if (tjDecompress2(handle.get(), data, bytes.size(), image.pixels.data(), width, 0, height, format,
                    TJFLAG_LIMITSCANS | TJFLAG_STOPONWARNING | TJFLAG_ACCURATEDCT) != 0)
    fail(Exit::badData, "{} is not a good JPEG file: {}", printable(path), tjGetErrorStr2(handle.get()));
  return image;
}

} // namespace rt
