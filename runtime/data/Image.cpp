// Pictures: which decoder, how many channels, which size.
// In: a file.  Out: an Image.
#include "runtime/data/Image.h"
#include "runtime/Failure.h"
#include "runtime/params/AtomicFile.h"
#include <algorithm>
#include <cmath>

namespace rt {

static constexpr size_t largestImageFile = size_t(1) << 28;

Image readImage(const std::string &path) {
  const std::string bytes = readFile(path, largestImageFile, Exit::badData);
  if (bytes.compare(0, 8, "\x89PNG\r\n\x1a\n") == 0)
    return decodePng(bytes, path);
  if (bytes.compare(0, 3, "\xff\xd8\xff") == 0)
    return decodeJpeg(bytes, path);
  if (bytes.compare(0, 4, "RIFF") == 0 && bytes.size() > 12 && bytes.compare(8, 4, "WEBP") == 0)
    return decodeWebp(bytes, path);
  fail(Exit::badData, "{} is {}", printable(path), bytes.empty() ? "empty" : "neither a PNG, a JPEG nor a WebP file");
}

Image withChannels(Image image, int64_t channels) {
  if (image.channels == channels)
    return image;
  const int64_t area = image.height * image.width;
  Image out{image.height, image.width, channels, std::vector<uint8_t>(size_t(area * channels))};
  for (int64_t p = 0; p < area; ++p) {
    const uint8_t *from = &image.pixels[size_t(p * image.channels)];
    // 0.299 R + 0.587 G + 0.114 B in 16-bit fixed point.
    const uint32_t grey = image.channels == 1 ? from[0] : (from[0] * 19595u + from[1] * 38470u + from[2] * 7471u + 0x8000u) >> 16;
    std::fill_n(&out.pixels[size_t(p * channels)], channels, uint8_t(grey));
  }
  return out;
}

namespace {
struct Taps {
  int64_t first;
  std::vector<double> weights;
};
} // namespace

static std::vector<Taps> triangleTaps(int64_t from, int64_t to) {
  const double scale = double(from) / double(to), reach = std::max(1.0, scale);
  std::vector<Taps> taps;
  for (int64_t i = 0; i < to; ++i) {
    const double centre = (double(i) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(0, int64_t(centre - reach + 0.5)), last = std::min(from, int64_t(centre + reach + 0.5));
    Taps t{first, {}};
    double sum = 0;
    for (int64_t k = first; k < last; ++k) {
      t.weights.push_back(std::max(0.0, 1 - std::abs((double(k) + 0.5 - centre) / reach)));
      sum += t.weights.back();
    }
    for (double &w : t.weights)
      w /= sum;
    taps.push_back(std::move(t));
  }
  return taps;
}

static uint8_t toByte(double v) { return uint8_t(std::clamp(std::floor(v + 0.5), 0.0, 255.0)); }

Image resized(const Image &image, int64_t height, int64_t width) {
  if (image.height == height && image.width == width)
    return image;
  const int64_t C = image.channels;
  const auto across = triangleTaps(image.width, width), down = triangleTaps(image.height, height);
  Image middle{image.height, width, C, std::vector<uint8_t>(size_t(image.height * width * C))};
  for (int64_t h = 0; h < image.height; ++h)
    for (int64_t w = 0; w < width; ++w)
      for (int64_t c = 0; c < C; ++c) {
        double sum = 0;
        for (size_t k = 0; k < across[w].weights.size(); ++k)
          sum += across[w].weights[k] * image.pixels[size_t((h * image.width + across[w].first + int64_t(k)) * C + c)];
        middle.pixels[size_t((h * width + w) * C + c)] = toByte(sum);
      }
  Image out{height, width, C, std::vector<uint8_t>(size_t(height * width * C))};
  for (int64_t h = 0; h < height; ++h)
    for (int64_t w = 0; w < width; ++w)
      for (int64_t c = 0; c < C; ++c) {
        double sum = 0;
        for (size_t k = 0; k < down[h].weights.size(); ++k)
          sum += down[h].weights[k] * middle.pixels[size_t(((down[h].first + int64_t(k)) * width + w) * C + c)];
        out.pixels[size_t((h * width + w) * C + c)] = toByte(sum);
      }
  return out;
}

/// The middle of `image`, black where it does not reach.
static Image centred(const Image &image, int64_t height, int64_t width) {
  const int64_t C = image.channels, dy = (image.height - height) / 2, dx = (image.width - width) / 2;
  Image out{height, width, C, std::vector<uint8_t>(size_t(height * width * C))};
  for (int64_t h = std::max<int64_t>(0, -dy); h < std::min(height, image.height - dy); ++h)
    for (int64_t w = std::max<int64_t>(0, -dx); w < std::min(width, image.width - dx); ++w)
      std::copy_n(&image.pixels[size_t(((h + dy) * image.width + w + dx) * C)], C, &out.pixels[size_t((h * width + w) * C)]);
  return out;
}

Image fitted(Image image, const Description &d) {
  image = withChannels(std::move(image), d.channels);
  const std::string mode = d.data ? d.data->resize : "stretch";
  if (mode == "stretch")
    return resized(image, d.height, d.width);
  const double down = double(d.height) / double(image.height), across = double(d.width) / double(image.width);
  const double factor = mode == "crop" ? std::max(down, across) : std::min(down, across);
  auto side = [&](int64_t from) { return std::max<int64_t>(1, std::llround(double(from) * factor)); };
  return centred(resized(image, side(image.height), side(image.width)), d.height, d.width);
}

} // namespace rt
