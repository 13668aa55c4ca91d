// The part of a report that looks inside: one picture, what speaks for its class, and maps on the way.
// In: a program with its tensors, a sample.  Out: HTML.
#include "runtime/cli/ReportMaps.h"
#include "runtime/report/Heat.h"
#include "runtime/report/Picture.h"
#include "runtime/report/Svg.h"
#include "runtime/train/FeatureMaps.h"
#include <algorithm>
#include <cmath>

namespace rt {

std::string imageTag(const Image &image, int64_t shownWidth, const std::string &title) {
  return fmt::format("<img src=\"{}\" width=\"{}\" alt=\"{}\" title=\"{}\">", dataUrl(encodePng(image)), shownWidth, escaped(title), escaped(title));
}

Image shown(const Description &d, const uint8_t *pixels) {
  Image picture{d.height, d.width, d.channels == 3 ? 3 : 1, {}};
  for (int64_t i = 0; i < d.height * d.width; ++i)
    for (int64_t c = 0; c < picture.channels; ++c)
      picture.pixels.push_back(pixels[i * d.channels + c]);
  return picture;
}

/// Channels beside each other, all on one scale from the map's least value to its largest.
static Image strip(const FeatureMap &m, int64_t channels) {
  constexpr int64_t gap = 1;
  const auto [low, high] = std::minmax_element(m.values.begin(), m.values.end());
  Image out{m.height, channels * (m.width + gap) - gap, 3, {}};
  out.pixels.assign(size_t(out.height * out.width * 3), 255);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t h = 0; h < m.height; ++h)
      for (int64_t w = 0; w < m.width; ++w) {
        const double v = m.values[size_t((h * m.width + w) * m.channels + c)];
        heatColour((v - *low) / std::max(*high - *low, 1e-30), &out.pixels[size_t((h * out.width + c * (m.width + gap) + w) * 3)]);
      }
  return out;
}

std::string mapsInside(Program &program, const BatchLoader &loader, const Dataset &set, int64_t sample) {
  constexpr size_t mostMaps = 8;
  constexpr int64_t mostChannels = 12, pageWidth = 940, side = 280;
  const Description &d = program.description;
  AlignedBuffer x(loader.sampleBytes());
  const Image picture = shown(d, set.image(sample));
  loader.convert(set.image(sample), x.data());
  std::vector<FeatureMap> maps = featureMaps(program, x.data());
  if (maps.empty())
    return "<p>The network has no layer with a map.</p>";
  const int64_t label = set.label(sample);
  const Image heat = overlay(picture, classActivation(program, x.data(), label), std::max<int64_t>(1, side / std::max(d.height, d.width)));
  std::string html = fmt::format("<p>{}<br>Sample {}, {}: the picture, and what of it speaks for that class (Score-CAM on {}).</p>",
                                 imageTag(heat, std::min(heat.width, pageWidth), "class activation"), sample, escaped(d.className(label)), escaped(maps.back().layer));
  for (size_t i = 0; i < std::min(mostMaps, maps.size()); ++i) { // spread over the depth, the last one among them
    const FeatureMap &m = maps[maps.size() <= mostMaps ? i : i * (maps.size() - 1) / (mostMaps - 1)];
    const int64_t channels = std::min(mostChannels, m.channels);
    html += fmt::format("<p>{}<br>{}: {}x{}x{}{}</p>", imageTag(strip(m, channels), pageWidth * channels / mostChannels, m.layer), escaped(m.layer), m.channels, m.height, m.width,
                        m.channels > channels ? fmt::format(", its first {} channels", channels) : "");
  }
  return html;
}

} // namespace rt
