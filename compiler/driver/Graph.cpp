// Draws a network: boxes from top to bottom, the ways of a branch side by side, shortcuts as arcs beside what they leave out, blocks as grounds.
// In: a Network.  Out: SVG that needs nothing else, or DOT.
#include "compiler/driver/Graph.h"
#include "compiler/driver/Show.h"
#include "compiler/frontend/Elaborate.h"

#include <algorithm>

namespace cnnc {
namespace {

constexpr int boxWidth = 190, lineHeight = 17, boxPad = 6, rowGap = 24, laneGap = 46, margin = 34, heading = 58, frameGap = 8;

/// One box: a layer and those that only follow it.
struct Box {
  std::vector<int> layers;
  std::vector<int> inputs; ///< boxes
  int rank = 0, lane = 0;  ///< row and column
};

bool follows(const Layer &layer) {
  return std::holds_alternative<BatchNormLayer>(layer.body) || std::holds_alternative<GroupNormLayer>(layer.body) ||
         std::holds_alternative<LayerNormLayer>(layer.body) || std::holds_alternative<ActivationLayer>(layer.body) ||
         std::holds_alternative<PreluLayer>(layer.body) || std::holds_alternative<DropoutLayer>(layer.body) || std::holds_alternative<LrnLayer>(layer.body) ||
         std::holds_alternative<SoftmaxLayer>(layer.body);
}

std::vector<Box> boxesOf(const Network &network) {
  std::vector<int> readers(network.layers.size(), 0), boxOf(network.layers.size(), -1);
  for (const Layer &layer : network.layers)
    for (int input : layer.inputs)
      ++readers[size_t(input)];
  std::vector<Box> boxes;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const Layer &layer = network.layers[i];
    int before = layer.inputs.empty() ? -1 : layer.inputs[0];
    if (before > 0 && follows(layer) && readers[size_t(before)] == 1 && boxes[size_t(boxOf[size_t(before)])].layers.back() == before) {
      boxOf[i] = boxOf[size_t(before)];
      boxes[size_t(boxOf[i])].layers.push_back(int(i));
      continue;
    }
    Box box;
    box.layers = {int(i)};
    for (int input : layer.inputs) {
      box.inputs.push_back(boxOf[size_t(input)]);
      box.rank = std::max(box.rank, boxes[size_t(box.inputs.back())].rank + 1);
    }
    boxOf[i] = int(boxes.size());
    boxes.push_back(std::move(box));
  }
  return boxes;
}

/// A box stands under its first input if that place is free all the way down, else in the next free lane to the right.
void placeInLanes(std::vector<Box> &boxes) {
  std::vector<std::vector<bool>> taken; // [lane][rank]
  size_t ranks = 0;
  for (const Box &box : boxes)
    ranks = std::max(ranks, size_t(box.rank) + 1);
  std::vector<int> end(boxes.size()); // the last rank before the box is read
  for (size_t i = 0; i < boxes.size(); ++i)
    end[i] = boxes[i].rank;
  std::vector<int> readers(boxes.size(), 0);
  for (const Box &box : boxes)
    for (int input : box.inputs)
      ++readers[size_t(input)];
  for (const Box &box : boxes)
    for (int input : box.inputs)
      if (readers[size_t(input)] == 1) // its line runs down to the join in its own lane
        end[size_t(input)] = std::max(end[size_t(input)], box.rank - 1);
  for (size_t i = 0; i < boxes.size(); ++i) {
    Box &box = boxes[i];
    size_t lane = box.inputs.empty() ? 0 : size_t(boxes[size_t(box.inputs[0])].lane);
    for (int input : box.inputs)
      lane = std::min(lane, size_t(boxes[size_t(input)].lane));
    auto isFree = [&](size_t l) {
      for (int rank = box.rank; rank <= end[i]; ++rank)
        if (taken[l][size_t(rank)])
          return false;
      return true;
    };
    for (;; ++lane) {
      if (lane >= taken.size())
        taken.resize(lane + 1, std::vector<bool>(ranks, false));
      if (isFree(lane))
        break;
    }
    box.lane = int(lane);
    for (int rank = box.rank; rank <= end[i]; ++rank)
      taken[lane][size_t(rank)] = true;
  }
}

/// Fill and stroke by family, light enough for black text.
struct Colors {
  const char *fill, *stroke;
};
Colors colorsOf(const Layer &layer) {
  const std::string &kind = layer.kind;
  if (std::holds_alternative<ConvLayer>(layer.body))
    return {"#dbe9fb", "#4a7fc1"};
  if (std::holds_alternative<DenseLayer>(layer.body))
    return {"#e6defa", "#7d5fc0"};
  if (std::holds_alternative<PoolLayer>(layer.body) || std::holds_alternative<GlobalPoolLayer>(layer.body))
    return {"#d8f0e0", "#3f9463"};
  if (std::holds_alternative<AddLayer>(layer.body) || std::holds_alternative<ConcatLayer>(layer.body) || std::holds_alternative<GateLayer>(layer.body))
    return {"#fdeccb", "#c28a1e"};
  if (kind == "input" || kind == "softmax")
    return {"#f9dcdc", "#bf5050"};
  return {"#eef0f2", "#7f8a96"};
}

/// "conv 3x3 /2"
std::string titleOf(const Layer &layer) {
  auto window = [](Size2 k, Size2 s) {
    std::string text = " " + std::to_string(k.h) + "x" + std::to_string(k.w);
    if (s.h != 1 || s.w != 1)
      text += s.h == s.w ? " /" + std::to_string(s.h) : " /" + std::to_string(s.h) + "x" + std::to_string(s.w);
    return text;
  };
  if (auto *conv = std::get_if<ConvLayer>(&layer.body))
    return layer.kind + window(conv->kernel, conv->stride);
  if (auto *pool = std::get_if<PoolLayer>(&layer.body))
    return layer.kind + window(pool->kernel, pool->stride);
  return layer.kind;
}

std::string text(int x, int y, const char *style, const std::string &what) {
  return "<text x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\" class=\"" + style + "\">" + what + "</text>\n";
}

std::string spread(const MapShape &shape) { // 64 × 28 × 28
  std::string out;
  for (char c : shapeText(shape))
    out += c == 'x' ? std::string("\u2009\u00d7\u2009") : std::string(1, c);
  return out;
}

int heightOf(const Box &box) { return int(box.layers.size()) * lineHeight + lineHeight + 2 * boxPad - 4; }

class Svg {
public:
  Svg(const Network &network, std::vector<Box> list) : network(network), boxes(std::move(list)) {
    size_t ranks = 0;
    int lanes = 0;
    for (const Box &box : boxes) {
      ranks = std::max(ranks, size_t(box.rank) + 1);
      lanes = std::max(lanes, box.lane + 1);
    }
    std::vector<int> heights(ranks, 0);
    for (const Box &box : boxes)
      heights[size_t(box.rank)] = std::max(heights[size_t(box.rank)], heightOf(box));
    int y = margin + heading;
    for (int height : heights) {
      tops.push_back(y);
      y += height + rowGap;
    }
    width = std::max(2 * margin + lanes * (boxWidth + laneGap), 2 * margin + boxWidth + 130);
    height = y - rowGap + margin;
  }

  std::string draw() {
    out = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + std::to_string(width) + "\" height=\"" + std::to_string(height) + "\" viewBox=\"0 0 " +
          std::to_string(width) + " " + std::to_string(height) + "\" font-family=\"Helvetica, Arial, sans-serif\">\n"
          "<style>.n{font-size:12.5px;font-weight:600;fill:#1d2733}.f{font-size:11.5px;fill:#3d4a58}.s{font-size:11px;fill:#5b6874}.h{font-size:19px;"
          "font-weight:700;fill:#1d2733}.e{fill:none;stroke:#8b97a4;stroke-width:1.6}</style>\n"
          "<defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"6\" markerHeight=\"6\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" "
          "fill=\"#8b97a4\"/></marker></defs>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
    int64_t parameters = 0;
    for (const Layer &layer : network.layers)
      parameters += parameterCount(network, layer);
    out += text(margin, margin + 16, "h", network.name);
    out += text(margin, margin + 36, "s", grouped(parameters) + " parameters, " + std::to_string(network.layers.size()) + " layers, " + std::to_string(network.classes) + " classes");
    for (const BlockUse &use : network.uses)
      if (use.name.find('.') == std::string::npos)
        frame(use);
    for (const Box &box : boxes)
      for (size_t k = 0; k < box.inputs.size(); ++k)
        edge(boxes[size_t(box.inputs[k])], box);
    for (const Box &box : boxes)
      drawBox(box);
    return out + "</svg>\n";
  }

private:
  int left(const Box &box) const { return margin + box.lane * (boxWidth + laneGap); }
  int middle(const Box &box) const { return left(box) + boxWidth / 2; }
  int top(const Box &box) const { return tops[size_t(box.rank)]; }

  /// A light ground behind the boxes that one use of a block makes, with its name up its left side.
  void frame(const BlockUse &use) {
    int x0 = width, x1 = 0, y0 = height, y1 = 0;
    for (const Box &box : boxes) {
      if (network.layers[size_t(box.layers[0])].name.compare(0, use.name.size() + 1, use.name + ".") != 0)
        continue;
      x0 = std::min(x0, left(box)), x1 = std::max(x1, left(box) + boxWidth);
      y0 = std::min(y0, top(box)), y1 = std::max(y1, top(box) + heightOf(box));
    }
    if (x0 > x1)
      return;
    x0 -= frameGap, x1 += laneGap / 2 + 2, y0 -= frameGap, y1 += frameGap; // to the right there is room for the arcs
    out += "<rect x=\"" + std::to_string(x0) + "\" y=\"" + std::to_string(y0) + "\" width=\"" + std::to_string(x1 - x0) + "\" height=\"" + std::to_string(y1 - y0) +
           "\" rx=\"10\" fill=\"#f6f7f9\" stroke=\"#dfe3e8\"/>\n<text class=\"s\" text-anchor=\"end\" transform=\"translate(" + std::to_string(x0 - 4) + " " +
           std::to_string(y0 + 4) + ") rotate(-90)\">" + use.name + "</text>\n";
  }

  void path(const std::string &d) { out += "<path class=\"e\" d=\"" + d + "\" marker-end=\"url(#a)\"/>\n"; }

  /// Arcs of the same lane that begin before this one ends and end behind it: it stays inside of them.
  int arcsAround(const Box &from, const Box &to) const {
    int n = 0;
    for (const Box &box : boxes)
      for (int input : box.inputs) {
        const Box &start = boxes[size_t(input)];
        bool arc = start.lane == from.lane && box.lane == from.lane && box.rank > start.rank + 1;
        n += arc && start.rank <= from.rank && box.rank >= to.rank && (start.rank < from.rank || box.rank > to.rank);
      }
    return n;
  }

  void edge(const Box &from, const Box &to) {
    auto at = [](int x, int y) { return std::to_string(x) + " " + std::to_string(y) + " "; };
    int x0 = middle(from), y0 = top(from) + heightOf(from), x1 = middle(to), y1 = top(to) - 1;
    bool clear = std::none_of(boxes.begin(), boxes.end(), [&](const Box &b) { return b.lane == from.lane && b.rank > from.rank && b.rank < to.rank; });
    if (from.lane == to.lane && clear) {
      path("M" + at(x0, y0) + "L" + at(x1, y1));
    } else if (from.lane == to.lane) { // around what lies between
      int side = left(from) + boxWidth, bulge = side + std::max(6, laneGap / 2 - 4 - 6 * arcsAround(from, to)), ym = top(to) + heightOf(to) / 2;
      path("M" + at(side, y0 - 12) + "C" + at(bulge, y0 - 12) + at(bulge, y0 - 6) + at(bulge, y0 + 10) + "L" + at(bulge, ym - 22) + "C" + at(bulge, ym - 6) + at(bulge, ym) + at(side + 2, ym));
    } else if (to.lane > from.lane) { // the beginning of a way
      int bend = top(to) - rowGap;
      path("M" + at(x0, y0) + "C" + at(x0, y0 + 22) + at(x1, bend - 4) + at(x1, y1));
    } else { // its end
      int down = top(to) - rowGap;
      path("M" + at(x0, y0) + "L" + at(x0, down) + "C" + at(x0, down + 22) + at(x1 + 10, down) + at(x1 + 10, y1));
    }
  }

  void drawBox(const Box &box) {
    const Layer &head = network.layers[size_t(box.layers[0])];
    Colors colors = colorsOf(head);
    int x = left(box), y = top(box), high = heightOf(box);
    out += "<g><title>" + head.name + (head.formula.empty() ? "" : ": " + head.formula) + "</title><rect x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) +
           "\" width=\"" + std::to_string(boxWidth) + "\" height=\"" + std::to_string(high) + "\" rx=\"7\" fill=\"" + colors.fill + "\" stroke=\"" + colors.stroke +
           "\" stroke-width=\"1.3\"/>\n";
    int line = y + boxPad + 11;
    out += text(x + 10, line, "n", titleOf(head));
    for (size_t i = 1; i < box.layers.size(); ++i)
      out += text(x + 18, line += lineHeight, "f", titleOf(network.layers[size_t(box.layers[i])]));
    out += text(x + 10, line + lineHeight, "s", spread(network.layers[size_t(box.layers.back())].output));
    int64_t parameters = 0;
    for (int layer : box.layers)
      parameters += parameterCount(network, network.layers[size_t(layer)]);
    if (parameters)
      out += "<text x=\"" + std::to_string(x + boxWidth - 10) + "\" y=\"" + std::to_string(line + lineHeight) + "\" class=\"s\" text-anchor=\"end\">" + grouped(parameters) + "</text>\n";
    out += "</g>\n";
  }

  const Network &network;
  std::vector<Box> boxes;
  std::vector<int> tops;
  std::string out;
  int width = 0, height = 0;
};

} // namespace

std::string graphSvg(const Network &network) {
  std::vector<Box> boxes = boxesOf(network);
  placeInLanes(boxes);
  return Svg(network, std::move(boxes)).draw();
}

std::string graphDot(const Network &network) {
  std::string out = "digraph \"" + network.name + "\" {\n  node [shape=box, style=\"rounded,filled\", fontname=Helvetica];\n";
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const Layer &layer = network.layers[i];
    Colors colors = colorsOf(layer);
    out += "  \"" + layer.name + "\" [label=\"" + titleOf(layer) + "\\n" + shapeText(layer.output) + "\", fillcolor=\"" + colors.fill + "\", color=\"" + colors.stroke + "\"];\n";
    for (int input : layer.inputs)
      out += "  \"" + network.layers[size_t(input)].name + "\" -> \"" + layer.name + "\";\n";
  }
  return out + "}\n";
}

} // namespace cnnc
