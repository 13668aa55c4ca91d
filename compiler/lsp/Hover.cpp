// What the front end has worked out about a place: shapes, formulas, parameters.
// In: a document and a place.  Out: Markdown; hints behind the layers.
#include "compiler/frontend/Elaborate.h"
#include "compiler/frontend/ReceptiveField.h"
#include "compiler/lsp/Context.h"
#include "compiler/lsp/Features.h"

#include <algorithm>

namespace cnnc {
namespace {

constexpr size_t mostShown = 3; ///< of the layers that one line of a loop or block makes

bool sameSpan(const Span &a, const Span &b) { return a.file == b.file && a.line == b.line && a.column == b.column; }

/// The flatten or softmax that a layer brings with it stands at that layer's place.
bool isInserted(const Layer &layer) {
  if ((layer.kind != "flatten" && layer.kind != "softmax") || !layer.span.file)
    return false;
  return lineText(*layer.span.file, layer.span.line).compare(layer.span.column - 1, layer.kind.size(), layer.kind) != 0;
}

std::string grouped(int64_t n) {
  std::string digits = std::to_string(n), out;
  for (size_t i = 0; i < digits.size(); ++i)
    out += (i && (digits.size() - i) % 3 == 0 ? "," : "") + std::string(1, digits[i]);
  return out;
}

std::string describe(const Network &network, const Layer &layer) {
  std::string text = "**" + layer.name + "**: " + layer.kind;
  if (!layer.inputs.empty())
    text += ", " + shapeText(network.layers[size_t(layer.inputs[0])].output) + " → " + shapeText(layer.output);
  else
    text += ", " + shapeText(layer.output);
  if (!layer.formula.empty())
    text += "  \nO = (W - K + 2P)/S + 1: " + layer.formula;
  int64_t parameters = parameterCount(network, layer);
  if (parameters) {
    text += "  \n" + grouped(parameters) + " parameters:";
    for (int index : parametersOf(layer)) {
      const Tensor &tensor = network.tensors[size_t(index)];
      text += " " + tensor.name.substr(tensor.name.rfind('.') + 1);
      for (size_t i = 0; i < tensor.shape.size(); ++i)
        text += (i ? "x" : " ") + std::to_string(tensor.shape[i]);
      text += ",";
    }
    text.pop_back();
  }
  if (layer.macs)
    text += "  \n" + grouped(layer.macs) + " multiply-adds a sample";
  Size2 field = receptiveFields(network)[size_t(&layer - network.layers.data())];
  if (!layer.inputs.empty())
    text += "  \nsees " + std::to_string(field.h) + "x" + std::to_string(field.w) + " of the input";
  return text;
}

/// The layers, or the uses of blocks, that the source makes at a span; empty: none.
std::string madeAt(const Understanding &understanding, const Span &span) {
  std::string text;
  size_t n = 0;
  for (const Network &network : understanding.networks) {
    for (const Layer &layer : network.layers)
      if (sameSpan(layer.span, span) && !isInserted(layer) && ++n <= mostShown)
        text += (text.empty() ? "" : "\n\n") + describe(network, layer);
    for (const BlockUse &use : network.uses)
      if (sameSpan(use.span, span) && ++n <= mostShown)
        text += (text.empty() ? "**" : "\n\n**") + use.name + "**: block " + use.block + " → " + shapeText(use.output);
  }
  return n > mostShown ? text + "\n\nand " + std::to_string(n - mostShown) + " more" : text;
}

/// A part of the network by its name, "basic1.conv1".
std::string describePart(const Understanding &understanding, const std::string &name) {
  std::string text;
  for (const Network &network : understanding.networks) {
    for (const Layer &layer : network.layers)
      if (layer.name == name)
        text += (text.empty() ? "" : "\n\n") + describe(network, layer);
    for (const BlockUse &use : network.uses)
      if (use.name == name)
        text += (text.empty() ? "**" : "\n\n**") + use.name + "**: block " + use.block + " → " + shapeText(use.output);
  }
  return text;
}

/// The innermost span of a layer or use that holds a position.
std::optional<Span> spanAt(const Document &document, protocol::Position position) {
  std::optional<Span> found;
  auto consider = [&](const Span &span) {
    auto range = document.rangeNow(span);
    if (range && range->start <= position && position <= range->end && (!found || span.length < found->length))
      found = span;
  };
  for (const Network &network : document.understanding.networks) {
    for (const Layer &layer : network.layers)
      consider(layer.span);
    for (const BlockUse &use : network.uses)
      consider(use.span);
  }
  return found;
}

std::string describeParam(const ast::Param &param) {
  return "```cnn\nparam " + param.name.text + " = " + (param.value ? sourceOf(*param.value) : "?") + "\n```\n`cnnc -P " + param.name.text + "=VALUE` sets it.";
}

} // namespace

std::optional<protocol::Hover> hoverAt(const Document &document, protocol::Position position) {
  size_t offset = document.text.offset(position);
  WordAt word = wordAt(document.text.text(), offset);
  Context context = contextAt(document.text.text(), word.begin);
  if (context.place == Context::Place::Nothing)
    return std::nullopt;
  const Definitions &definitions = document.understanding.definitions;
  if (context.place == Context::Place::Tensors && !word.text.empty()) {
    std::string part = describePart(document.understanding, context.path + word.text);
    if (part.empty())
      return std::nullopt;
    protocol::Hover hover(document.text.range(word.begin, word.begin + word.text.size()));
    hover.contents.value = part;
    return hover;
  }
  std::vector<std::string> parts;
  auto add = [&](const std::string &text) {
    if (!text.empty())
      parts.push_back(text);
  };
  protocol::Range range = document.text.range(word.begin, word.begin + word.text.size());
  std::optional<Span> made = spanAt(document, position);
  for (const ast::Param *param : definitions.params)
    if (param->name.text == word.text && parts.empty())
      add(describeParam(*param));
  std::string signature = word.text.empty() ? "" : signatureOf(word.text, definitions);
  if (parts.empty() && made) {
    add(madeAt(document.understanding, *made));
    range = *document.rangeNow(*made);
  }
  bool isArgument = context.place == Context::Place::Argument || context.place == Context::Place::Keyword;
  if (!signature.empty())
    add("```cnn\n" + signature + "\n```");
  else if (isArgument && parts.empty())
    add("```cnn\n" + signatureOf(context.callee, definitions) + "\n```");
  if (!isArgument || !signature.empty())
    add(summaryOf(context.definition == "train" && word.text == "for" ? "load" : word.text));
  if (parts.empty())
    return std::nullopt;
  protocol::Hover hover(range);
  for (const std::string &part : parts)
    hover.contents.value += (hover.contents.value.empty() ? "" : "\n\n") + part;
  return hover;
}

std::vector<protocol::InlayHint> hintsIn(const Document &document, protocol::Range range) {
  struct Shapes {
    protocol::Position end;
    std::vector<std::string> shapes;
  };
  std::map<std::pair<uint32_t, uint32_t>, Shapes> places;
  auto add = [&](const Span &span, const MapShape &shape) {
    auto now = document.rangeNow(span);
    if (!now || now->end < range.start || range.end < now->start)
      return;
    Shapes &place = places[{span.line, span.column}];
    place.end = now->end;
    std::string text = shapeText(shape);
    if (std::find(place.shapes.begin(), place.shapes.end(), text) == place.shapes.end())
      place.shapes.push_back(text);
  };
  for (const Network &network : document.understanding.networks) {
    for (const Layer &layer : network.layers)
      if (!isInserted(layer))
        add(layer.span, layer.output);
    for (const BlockUse &use : network.uses)
      add(use.span, use.output);
  }
  std::vector<protocol::InlayHint> hints;
  for (auto &[place, shapes] : places) {
    protocol::InlayHint hint(protocol::InlayHintKind::Type, shapes.end);
    for (size_t i = 0; i < std::min(shapes.shapes.size(), mostShown); ++i)
      hint.label += (i ? ", " : "") + shapes.shapes[i];
    hint.label += shapes.shapes.size() > mostShown ? ", ..." : "";
    hint.paddingLeft = true;
    hints.push_back(std::move(hint));
  }
  return hints;
}

} // namespace cnnc
