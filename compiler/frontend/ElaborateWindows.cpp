// Layers that move a window over the map: conv, depthwise, maxpool, avgpool.
// In: their arguments and the map.  Out: layers with O = floor((W - K_eff + P_before + P_after)/S) + 1, all from shape/.
#include "compiler/frontend/Elaborate.h"
#include "compiler/shape/Shape.h"
#include "compiler/support/Spelling.h"

#include <algorithm>
#include <numeric>

namespace cnnc {

struct Elaboration::Window {
  Size2 kernel{1, 1}, stride{1, 1}, dilation{1, 1};
  Pads pad;
  Size2 ceilExtra{0, 0};
  bool isPool = false, ceil = false;
};

namespace {

const std::vector<std::string> padWords = {"same", "narrow", "valid", "wide", "full"};

std::string text(int64_t n) { return std::to_string(n); }
std::string sides(int64_t h, int64_t w) { return text(h) + "x" + text(w); }

/// "(28 - 5 + 2*2)/1 + 1", one axis.
std::string filledIn(int64_t W, int64_t K, int64_t S, int64_t Pb, int64_t Pa, int64_t D) {
  int64_t Keff = shape::effectiveKernel(K, D).value_or(K);
  std::string padding = Pb == Pa ? "2*" + text(Pb) : text(Pb) + " + " + text(Pa);
  std::string fraction = "(" + text(W) + " - " + text(Keff) + " + " + padding + ")/" + text(S);
  bool divides = (W - Keff + Pb + Pa) % S == 0;
  return (divides ? fraction : "floor(" + fraction + ")") + " + 1";
}

} // namespace

std::string shapeText(const MapShape &shape) {
  return shape.flat ? text(shape.channels) : text(shape.channels) + "x" + sides(shape.height, shape.width);
}

std::string Elaboration::windowFormula(const Window &w, const MapShape &in, const MapShape &out) {
  std::string high = filledIn(in.height, w.kernel.h, w.stride.h, w.pad.top, w.pad.bottom + w.ceilExtra.h, w.dilation.h) + " = " + text(out.height);
  std::string wide = filledIn(in.width, w.kernel.w, w.stride.w, w.pad.left, w.pad.right + w.ceilExtra.w, w.dilation.w) + " = " + text(out.width);
  return high == wide ? high : "height " + high + "; width " + wide;
}

/// Where the map got its present height and width: "lenet.cnn:12:40 (maxpool 2x2)".
std::string Elaboration::originOf(const Current &map) {
  int i = map.layer;
  while (i >= 0 && !network.layers[size_t(i)].inputs.empty()) {
    const Layer &before = network.layers[size_t(network.layers[size_t(i)].inputs[0])];
    if (before.output.height != map.shape.height || before.output.width != map.shape.width)
      break;
    i = network.layers[size_t(i)].inputs[0];
  }
  if (i < 0)
    return "nowhere";
  const Layer &layer = network.layers[size_t(i)];
  std::string what = layer.kind;
  if (auto *pool = std::get_if<PoolLayer>(&layer.body))
    what += " " + sides(pool->kernel.h, pool->kernel.w);
  if (auto *conv = std::get_if<ConvLayer>(&layer.body))
    what += " " + sides(conv->kernel.h, conv->kernel.w);
  return position(layer.span) + " (" + what + ")";
}

std::optional<Pads> Elaboration::pads(CallArguments &a, const Window &w, const MapShape &in) {
  const Value *value = a.find("pad");
  if (!value)
    return Pads{};
  auto number = [&](const Value &v) -> std::optional<int64_t> {
    if (v.kind != Value::Kind::Number || !v.isInteger() || v.number < 0 || v.number > double(shape::maxExtent)) {
      a.bad = true;
      diagnostics.report(Diag::Extent, v.span, {"pad", "a whole number from 0 to " + text(shape::maxExtent)}).label(v.span, "this is " + describe(v));
      return std::nullopt;
    }
    return int64_t(v.number);
  };
  switch (value->kind) {
  case Value::Kind::Bad:
    a.bad = true;
    return std::nullopt;
  case Value::Kind::Number: {
    auto p = number(*value);
    return p ? std::optional<Pads>(Pads{*p, *p, *p, *p}) : std::nullopt;
  }
  case Value::Kind::Size:
  case Value::Kind::List: {
    size_t n = value->items.size();
    if (n != 4 && value->kind == Value::Kind::List)
      break;
    std::vector<int64_t> p;
    for (const Value &item : value->items) {
      auto side = number(item);
      if (!side)
        return std::nullopt;
      p.push_back(*side);
    }
    return n == 2 ? Pads{p[0], p[1], p[0], p[1]} : Pads{p[0], p[1], p[2], p[3]};
  }
  case Value::Kind::Word: {
    if (value->text == "narrow" || value->text == "valid")
      return Pads{};
    bool same = value->text == "same", wide = value->text == "wide" || value->text == "full";
    if (same || wide) {
      auto v = same ? shape::samePads(in.height, w.kernel.h, w.stride.h, w.dilation.h) : shape::widePads(w.kernel.h, w.dilation.h);
      auto h = same ? shape::samePads(in.width, w.kernel.w, w.stride.w, w.dilation.w) : shape::widePads(w.kernel.w, w.dilation.w);
      if (!v || !h) {
        a.bad = true;
        diagnostics.report(Diag::SizeOverflow, a.at);
        return std::nullopt;
      }
      return Pads{v->before, h->before, v->after, h->after};
    }
    a.bad = true;
    auto &d = diagnostics.report(Diag::UnknownChoice, value->span, {"padding", value->text});
    if (!d.suggest(value->span, value->text, padWords))
      d.help("pad is a number, a size, a list [top, left, bottom, right], or same, narrow, wide");
    return std::nullopt;
  }
  default:
    break;
  }
  a.wrongWord("pad", "a number, a size, a list [top, left, bottom, right] or a word (same, narrow, wide)", padWords);
  return std::nullopt;
}

void Elaboration::kernelTooLarge(const ast::Step &s, CallArguments &a, const Window &w, const Current &in, int64_t channels, bool vertical) {
  const MapShape &m = in.shape;
  int64_t W = vertical ? m.height : m.width, K = vertical ? w.kernel.h : w.kernel.w, S = vertical ? w.stride.h : w.stride.w;
  int64_t D = vertical ? w.dilation.h : w.dilation.w, Pb = vertical ? w.pad.top : w.pad.left, Pa = vertical ? w.pad.bottom : w.pad.right;
  std::string axis = vertical ? "height" : "width";
  int64_t Keff = *shape::effectiveKernel(K, D), O = *shape::outputSideUnchecked(W, K, S, Pb, Pa, D);
  std::string kernel = "kernel " + axis + " " + text(K) + (D == 1 ? "" : " with dilation " + text(D) + " (" + text(Keff) + " in all)");
  auto &d = diagnostics.report(Diag::KernelTooLarge, s.span).label(a.spanOf("kernel"), kernel + ", feature map " + axis + " " + text(W));
  d.formula(std::string("O = ") + (D == 1 ? "(W - K" : "(W - K_eff") + (Pb == Pa ? " + 2P)/S + 1 = " : " + P_before + P_after)/S + 1 = ") +
            filledIn(W, K, S, Pb, Pa, D) + " = " + text(O) + ", must be at least 1");
  // The least padding with which both axes fit: 2p >= K_eff - W.
  auto least = [](int64_t side, int64_t k, int64_t dil) { return std::max<int64_t>(0, (*shape::effectiveKernel(k, dil) - side + 1) / 2); };
  int64_t p = std::max(least(m.height, w.kernel.h, w.dilation.h), least(m.width, w.kernel.w, w.dilation.w));
  bool allowed = !w.isPool || (p < w.kernel.h && p < w.kernel.w);
  auto oh = shape::outputSide(m.height, w.kernel.h, w.stride.h, p, p, w.dilation.h), ow = shape::outputSide(m.width, w.kernel.w, w.stride.w, p, p, w.dilation.w);
  if (p <= shape::maxExtent && allowed && oh && ow) {
    bool keeps = w.stride.h == 1 && w.stride.w == 1;
    int64_t sh = (m.height - 1) / w.stride.h + 1, sw = (m.width - 1) / w.stride.w + 1;
    std::string same = w.isPool ? "" : "; pad=same " + std::string(keeps ? "keeps " : "gives ") + sides(sh, sw);
    a.fix(d, "pad", text(p), "pad=" + text(p) + " makes the output " + shapeText({channels, *oh, *ow, false}) + same);
  } else if (w.isPool) {
    d.help("a kernel of " + sides(m.height, m.width) + " covers the whole map, as global_" + s.name.text + " does");
  }
  const Layer &source = network.layers[size_t(in.layer)];
  d.note(source.inputs.empty() ? "the map is " + sides(m.height, m.width) + " from the input at " + position(source.span)
                               : "the map shrank to " + sides(m.height, m.width) + " at " + originOf(in));
  std::string chain = chainTo(in);
  if (!chain.empty())
    d.note(chain);
}

/// The sides of the map from the input on, where they change: "the sides on the way: 224x224 input1, 112x112 conv1, 56x56 maxpool1"; empty where that is
/// told already.
std::string Elaboration::chainTo(const Current &map) {
  std::vector<std::string> stations;
  for (int i = map.layer; i >= 0;) {
    const Layer &layer = network.layers[size_t(i)];
    int before = layer.inputs.empty() ? -1 : layer.inputs[0];
    const MapShape *from = before < 0 ? nullptr : &network.layers[size_t(before)].output;
    if (!from || from->height != layer.output.height || from->width != layer.output.width)
      stations.push_back(sides(layer.output.height, layer.output.width) + " " + layer.name);
    i = before;
  }
  constexpr size_t told = 2, most = 8;
  std::string text;
  for (size_t i = stations.size(); i-- > 0;)
    if (i < most - 1 || i + 1 == stations.size())
      text += (text.empty() ? "" : ", ") + stations[i] + (i + 1 == stations.size() && stations.size() > most ? ", ..." : "");
  return stations.size() > told ? "the sides on the way: " + text : "";
}

void Elaboration::warnUnread(const ast::Step &s, CallArguments &a, const Window &w, const MapShape &in, const MapShape &out) {
  int64_t rows = shape::unreadRows(in.height, w.kernel.h, w.stride.h, w.pad.top, w.pad.bottom + w.ceilExtra.h, w.dilation.h);
  int64_t columns = shape::unreadRows(in.width, w.kernel.w, w.stride.w, w.pad.left, w.pad.right + w.ceilExtra.w, w.dilation.w);
  if (!rows && !columns)
    return;
  std::string what = rows ? plural(size_t(rows), "row") : "";
  if (columns)
    what += (rows ? " and " : "") + plural(size_t(columns), "column");
  auto &d = diagnostics.report(Diag::UnreadRows, s.span, {what, rows + columns == 1 ? "is" : "are"});
  auto last = [](int64_t n, int64_t side, const char *noun) {
    return n == 1 ? std::string(noun) + " " + text(side - 1) : std::string(noun) + "s " + text(side - n) + " to " + text(side - 1);
  };
  std::string which = rows ? last(rows, in.height, "row") : "";
  if (columns)
    which += (rows ? " and " : "") + last(columns, in.width, "column");
  d.label(a.spanOf(a.has("stride") ? "stride" : "kernel"), which + " of the " + shapeText(in) + " map, counted from 0, never " + (rows + columns == 1 ? "enters" : "enter") + " a window");
  d.formula("O = floor((W - K + P_before + P_after)/S) + 1; " + (rows ? "height " + filledIn(in.height, w.kernel.h, w.stride.h, w.pad.top, w.pad.bottom, w.dilation.h) + " = " + text(out.height)
                                                                      : "width " + filledIn(in.width, w.kernel.w, w.stride.w, w.pad.left, w.pad.right, w.dilation.w) + " = " + text(out.width)));
  // The padding at the bottom and right with which S divides.
  auto missing = [](int64_t W, int64_t K, int64_t S, int64_t Pb, int64_t Pa, int64_t D) {
    int64_t rest = (W - *shape::effectiveKernel(K, D) + Pb + Pa) % S;
    return rest ? S - rest : 0;
  };
  Pads p = w.pad;
  p.bottom += missing(in.height, w.kernel.h, w.stride.h, p.top, p.bottom, w.dilation.h);
  p.right += missing(in.width, w.kernel.w, w.stride.w, p.left, p.right, w.dilation.w);
  bool allowed = !w.isPool || (p.bottom < w.kernel.h && p.right < w.kernel.w);
  bool even = (p.top + p.bottom) % 2 == 0 && (p.left + p.right) % 2 == 0 && p.top + p.bottom == p.left + p.right;
  std::string list = "[" + text(p.top) + ", " + text(p.left) + ", " + text(p.bottom) + ", " + text(p.right) + "]";
  if (allowed && even)
    a.fix(d, "pad", text((p.top + p.bottom) / 2), "pad=" + text((p.top + p.bottom) / 2) + " is exact");
  else if (allowed)
    a.fix(d, "pad", list, "pad=" + list + " (top, left, bottom, right) is exact");
  if (w.isPool)
    a.fix(d, "ceil", "true", "ceil=true adds a last window that is cut off at the edge");
  for (Diagnostic::Remark &remark : d.remarks)
    remark.changesNetwork = true;
}

std::optional<MapShape> Elaboration::slide(const ast::Step &s, CallArguments &a, const Window &w, const Current &in, int64_t channels) {
  const MapShape &m = in.shape;
  auto O = [](int64_t W, int64_t K, int64_t S, int64_t Pb, int64_t Pa, int64_t D) { return shape::outputSideUnchecked(W, K, S, Pb, Pa, D); };
  auto high = O(m.height, w.kernel.h, w.stride.h, w.pad.top, w.pad.bottom + w.ceilExtra.h, w.dilation.h);
  auto wide = O(m.width, w.kernel.w, w.stride.w, w.pad.left, w.pad.right + w.ceilExtra.w, w.dilation.w);
  auto total = high && wide ? shape::product(channels, std::max<int64_t>(*high, 1), std::max<int64_t>(*wide, 1)) : std::nullopt;
  if (high && *high < 1) {
    kernelTooLarge(s, a, w, in, channels, true);
    return std::nullopt;
  }
  if (wide && *wide < 1) {
    kernelTooLarge(s, a, w, in, channels, false);
    return std::nullopt;
  }
  if (!total || *total > maxMapElements) {
    diagnostics.report(Diag::SizeOverflow, s.span)
        .label(s.span, high && wide ? shapeText({channels, *high, *wide, false}) + " has more than 2^36 elements" : "its sides overflow");
    return std::nullopt;
  }
  MapShape out{channels, *high, *wide, false};
  warnUnread(s, a, w, m, out);
  return out;
}

/// Is there a map to slide over? What is wrong with `pad` is said even where there is none.
bool Elaboration::entersWindow(const ast::Step &s, const std::string &kind, CallArguments &a, const Window &w, const Current &in) {
  if (in.bad || a.bad) {
    pads(a, w, MapShape{1, 1, 1, false});
    return false;
  }
  return isMap(s, kind, in);
}

bool Elaboration::isMap(const ast::Step &s, const std::string &kind, const Current &in) {
  if (!in.shape.flat)
    return true;
  size_t i = size_t(in.layer);
  while (!network.layers[i].inputs.empty() && network.layers[size_t(network.layers[i].inputs[0])].output.flat)
    i = size_t(network.layers[i].inputs[0]);
  const Layer &flattening = network.layers[i];
  // A flatten that stands in no source has the place of the layer that wanted it.
  bool inserted = i + 1 < network.layers.size() && flattening.kind == "flatten" && network.layers[i + 1].kind != "flatten" &&
                  position(network.layers[i + 1].span) == position(flattening.span);
  diagnostics.report(Diag::NeedsMap, s.span, {kind})
      .note("the map became flat at " + position(flattening.span) + " (" + (inserted ? network.layers[i + 1].kind + ", which flattens what it reads" : flattening.kind) + ")");
  return false;
}

Current Elaboration::convolution(const ast::Step &s, const std::string &kind, CallArguments &a, const Current &in, Scope &scope) {
  std::string name = nameFor(s, kind, scope);
  bool depthwise = kind == "depthwise";
  int64_t C = in.shape.channels;
  Window w;
  w.kernel = a.size("kernel", {1, 1});
  w.stride = a.size("stride", {1, 1});
  w.dilation = a.size("dilation", {1, 1});
  int64_t multiplier = a.integer("multiplier", 1, 1, shape::maxExtent);
  int64_t filters = depthwise ? 0 : a.integer("filters", 1, 1, shape::maxExtent);
  int64_t groups = depthwise ? C : a.integer("groups", 1, 1, shape::maxExtent);
  bool bias = a.boolean("bias", true);
  Init init = a.init("init", Init{"he_normal", {}});
  if (!entersWindow(s, kind, a, w, in))
    return poisoned(in);
  if (depthwise) {
    if (C * multiplier > shape::maxExtent) { // both are at most 2^24
      diagnostics.report(Diag::Extent, a.spanOf("multiplier"), {"channels * multiplier", "at most " + text(shape::maxExtent)});
      return poisoned(in);
    }
    filters = C * multiplier;
  }
  if (C % groups || filters % groups) {
    std::string what = C % groups ? text(C) + " input channels" : text(filters) + " filters";
    auto &d = diagnostics.report(Diag::Groups, s.span).label(a.spanOf("groups"), text(groups) + " does not divide " + what);
    int64_t g = std::gcd(std::gcd(C, filters), groups);
    a.fix(d, "groups", text(g), "groups=" + text(g) + " divides both " + text(C) + " channels and " + text(filters) + " filters");
    groups = g; // the shapes behind it do not depend on it
  }
  auto pad = pads(a, w, in.shape);
  if (!pad)
    return poisoned(in);
  w.pad = *pad;
  auto out = slide(s, a, w, in, filters);
  if (!out)
    return poisoned(in);
  ConvLayer conv;
  conv.filters = filters;
  conv.kernel = w.kernel;
  conv.stride = w.stride;
  conv.dilation = w.dilation;
  conv.pad = w.pad;
  conv.groups = groups;
  auto perOutput = shape::product(C / groups, w.kernel.h, w.kernel.w), reached = shape::product(filters, w.kernel.h, w.kernel.w);
  auto positions = shape::product(filters, out->height, out->width);
  auto macs = perOutput && positions ? shape::product(*positions, *perOutput) : std::nullopt;
  int64_t fanIn = perOutput.value_or(0), fanOut = reached.value_or(0);
  if (!fanIn || !fanOut || !macs) {
    diagnostics.report(Diag::LayerLimit, s.span, {"`" + name + "` alone has more than 2^63 multiplications"});
    return poisoned(in);
  }
  conv.weight = tensor(s, name + ".weight", Tensor::Kind::Weight, {filters, C / groups, w.kernel.h, w.kernel.w}, init, fanIn, fanOut);
  if (bias)
    conv.bias = tensor(s, name + ".bias", Tensor::Kind::Bias, {filters}, Init{"zeros", {}}, fanIn, fanOut);
  return push(s, name, kind, conv, {in.layer}, *out, *macs, windowFormula(w, in.shape, *out));
}

Current Elaboration::pool(const ast::Step &s, const std::string &kind, CallArguments &a, const Current &in, Scope &scope) {
  std::string name = nameFor(s, kind, scope);
  Window w;
  w.isPool = true;
  w.kernel = a.size("kernel", {1, 1});
  w.stride = a.size("stride", w.kernel);
  w.ceil = a.boolean("ceil", false);
  bool countPad = a.boolean("count_pad", true);
  if (!entersWindow(s, kind, a, w, in))
    return poisoned(in);
  auto pad = pads(a, w, in.shape);
  if (!pad)
    return poisoned(in);
  w.pad = *pad;
  if (std::max(w.pad.top, w.pad.bottom) >= w.kernel.h || std::max(w.pad.left, w.pad.right) >= w.kernel.w) {
    diagnostics.report(Diag::PoolPadding, s.span)
        .label(a.spanOf("pad"), "with a kernel of " + sides(w.kernel.h, w.kernel.w) + " a window would lie wholly in the padding");
    return poisoned(in);
  }
  if (w.ceil)
    w.ceilExtra = {shape::ceilExtra(in.shape.height, w.kernel.h, w.stride.h, w.pad.top, w.pad.bottom),
                   shape::ceilExtra(in.shape.width, w.kernel.w, w.stride.w, w.pad.left, w.pad.right)};
  auto out = slide(s, a, w, in, in.shape.channels);
  if (!out)
    return poisoned(in);
  PoolLayer p;
  p.max = kind == "maxpool";
  p.kernel = w.kernel;
  p.stride = w.stride;
  p.pad = w.pad;
  p.ceilExtra = w.ceilExtra;
  p.countPad = countPad;
  return push(s, name, kind, p, {in.layer}, *out, 0, windowFormula(w, in.shape, *out));
}

/// The mean of as many equal windows as `size` says, on a map whose sides it divides: a pooling whose kernel is its stride.
Current Elaboration::adaptivePool(const ast::Step &s, CallArguments &a, const Current &in, Scope &scope) {
  std::string name = nameFor(s, "adaptive_avgpool", scope);
  Size2 size = a.size("size", {1, 1});
  if (in.bad || a.bad || !isMap(s, "adaptive_avgpool", in))
    return poisoned(in);
  if (in.shape.height % size.h || in.shape.width % size.w) {
    diagnostics.report(Diag::Extent, a.spanOf("size"), {"the size of adaptive_avgpool", "a divisor of the map's sides, " + sides(in.shape.height, in.shape.width)})
        .label(a.spanOf("size"), "this is " + sides(size.h, size.w));
    return poisoned(in);
  }
  PoolLayer p;
  p.max = false;
  p.kernel = p.stride = {in.shape.height / size.h, in.shape.width / size.w};
  return push(s, name, "adaptive_avgpool", p, {in.layer}, {in.shape.channels, size.h, size.w, false});
}

} // namespace cnnc
