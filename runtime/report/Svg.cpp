// Plots as SVG text.
// In: series of numbers.  Out: axes with round marks, a line for each series, its last value beside its name.
#include "runtime/report/Svg.h"
#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace rt {

static constexpr double width = 440, height = 260, left = 52, right = 12, top = 30, bottom = 46;

/// 1, 2 or 5 times a power of ten: about five of them in the range.
static double roundStep(double range) {
  const double power = std::pow(10, std::floor(std::log10(range / 5))), rest = range / 5 / power;
  return power * (rest < 1.5 ? 1 : rest < 3.5 ? 2 : rest < 7.5 ? 5 : 10);
}

std::string escaped(const std::string &text) {
  std::string out;
  for (char c : text)
    out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : (unsigned char)c < 0x20 ? " " : std::string(1, c);
  return out;
}

std::string plot(const Axes &axes, const std::vector<Series> &series) {
  double x0 = 1e300, x1 = -1e300, y0 = 1e300, y1 = -1e300;
  for (const Series &s : series)
    for (size_t i = 0; i < s.x.size(); ++i)
      if (std::isfinite(s.y[i]))
        x0 = std::min(x0, s.x[i]), x1 = std::max(x1, s.x[i]), y0 = std::min(y0, s.y[i]), y1 = std::max(y1, s.y[i]);
  if (axes.unit || x0 > x1)
    x0 = y0 = 0, x1 = y1 = 1;
  if (x1 - x0 < 1e-12)
    x0 -= 0.5, x1 += 0.5;
  const double room = axes.unit ? 0 : std::max(0.05 * (y1 - y0), 1e-6 + 1e-6 * std::abs(y1));
  y0 -= room, y1 += room;
  auto px = [&](double x) { return left + (x - x0) / (x1 - x0) * (width - left - right); };
  auto py = [&](double y) { return height - bottom - (y - y0) / (y1 - y0) * (height - top - bottom); };
  std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" width=\"{}\" role=\"img\"><text class=\"title\" x=\"{}\" y=\"18\">{}</text>", width, height, width, left,
                                escaped(axes.title));
  const double stepX = std::max(axes.unit ? 0.2 : 1.0, roundStep(x1 - x0)), stepY = roundStep(y1 - y0);
  for (double y = std::ceil(y0 / stepY - 1e-9) * stepY; y <= y1 + 1e-9 * stepY; y += stepY)
    svg += fmt::format("<path class=\"grid\" d=\"M{} {:.1f}H{}\"/><text class=\"end\" x=\"{}\" y=\"{:.1f}\">{:.4g}</text>", left, py(y), width - right, left - 6,
                       py(y) + 4, std::abs(y) < stepY * 1e-6 ? 0 : y);
  for (double x = std::ceil(x0 / stepX - 1e-9) * stepX; x <= x1 + 1e-9 * stepX; x += stepX)
    svg += fmt::format("<text class=\"mid\" x=\"{:.1f}\" y=\"{}\">{:.4g}</text>", px(x), height - bottom + 16, std::abs(x) < stepX * 1e-6 ? 0 : x);
  svg += fmt::format("<path class=\"axis\" d=\"M{0} {1}V{2}H{3}\"/><text class=\"mid\" x=\"{4}\" y=\"{5}\">{6}</text>", left, top, height - bottom, width - right,
                     (left + width - right) / 2, height - 8, escaped(axes.x));
  if (axes.unit)
    svg += fmt::format("<path class=\"ideal\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>", px(0), py(0), px(1), py(1));
  double legend = width - right;
  for (const Series &s : series) {
    std::string path, dots;
    bool down = false;
    double last = NAN;
    for (size_t i = 0; i < s.x.size(); ++i) {
      if (std::isfinite(s.y[i])) {
        path += fmt::format("{}{:.1f} {:.1f}", down ? "L" : "M", px(s.x[i]), py(s.y[i]));
        dots += s.x.size() <= 40 ? fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"{}\"/>", px(s.x[i]), py(s.y[i]), s.colour) : "";
        last = s.y[i];
      }
      down = std::isfinite(s.y[i]);
    }
    if (path.empty())
      continue;
    svg += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>{}", path, s.colour, dots);
    svg += fmt::format("<text class=\"end\" x=\"{}\" y=\"18\" style=\"fill:{}\">{}</text>", legend, s.colour, escaped(axes.unit ? s.name : fmt::format("{} {:.4g}", s.name, last)));
    legend -= 96;
  }
  return svg + "</svg>";
}

} // namespace rt
