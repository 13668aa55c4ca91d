// Heat and maps as pictures.
// In: numbers 0..1.  Out: colours.
#include "runtime/report/Heat.h"
#include <algorithm>
#include <cmath>

namespace rt {

void heatColour(double t, uint8_t rgb[3]) {
  // Inferno of matplotlib at eighths.
  static constexpr double stops[][3] = {{0, 0, 4},      {31, 12, 72},  {85, 15, 109},  {136, 34, 106}, {186, 54, 85},
                                        {227, 89, 51},  {249, 140, 10}, {249, 201, 50}, {252, 255, 164}};
  constexpr int last = 8;
  const double at = std::clamp(t, 0.0, 1.0) * last;
  const int low = std::min(last - 1, int(at));
  for (int c = 0; c < 3; ++c)
    rgb[c] = uint8_t(std::lround(stops[low][c] + (at - low) * (stops[low + 1][c] - stops[low][c])));
}

Image overlay(const Image &picture, const std::vector<double> &heat, int64_t zoom) {
  constexpr int64_t gap = 4;
  constexpr double weight = 0.6; // of the heat
  const int64_t H = picture.height * zoom, W = picture.width * zoom;
  Image out{H, 2 * W + gap, 3, std::vector<uint8_t>(size_t(H * (2 * W + gap) * 3), 255)};
  for (int64_t h = 0; h < H; ++h)
    for (int64_t w = 0; w < W; ++w) {
      // Heat between pixels is interpolated, the picture is not.
      const double y = std::clamp((double(h) + 0.5) / double(zoom) - 0.5, 0.0, double(picture.height - 1)), x = std::clamp((double(w) + 0.5) / double(zoom) - 0.5, 0.0, double(picture.width - 1));
      const int64_t top = int64_t(y), left = int64_t(x), bottom = std::min(top + 1, picture.height - 1), right = std::min(left + 1, picture.width - 1);
      auto at = [&](int64_t i, int64_t j) { return heat[size_t(i * picture.width + j)]; };
      const double v = y - double(top), u = x - double(left);
      const double t = (1 - v) * ((1 - u) * at(top, left) + u * at(top, right)) + v * ((1 - u) * at(bottom, left) + u * at(bottom, right));
      uint8_t colour[3];
      heatColour(t, colour);
      for (int64_t c = 0; c < 3; ++c) {
        const uint8_t own = picture.pixels[size_t(((h / zoom) * picture.width + w / zoom) * picture.channels + std::min(c, picture.channels - 1))];
        out.pixels[size_t((h * out.width + w) * 3 + c)] = own;
        out.pixels[size_t((h * out.width + W + gap + w) * 3 + c)] = uint8_t(std::lround((1 - weight) * own + weight * colour[c]));
      }
    }
  return out;
}

} // namespace rt
