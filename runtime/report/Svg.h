// Plots as SVG text, to stand inside a page.
// In: series of numbers.  Out: one <svg> element.
#pragma once
#include <string>
#include <vector>

namespace rt {

struct Series {
  std::string name, colour;
  std::vector<double> x, y; ///< a NaN is a gap
};

struct Axes {
  std::string title, x;
  bool unit = false; ///< both axes from 0 to 1, with the diagonal
};

std::string plot(const Axes &axes, const std::vector<Series> &series);
/// <, >, & and quotes made safe for HTML.
std::string escaped(const std::string &text);

} // namespace rt
