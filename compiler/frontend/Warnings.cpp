// Warnings about a whole network: biases that batchnorm takes away, activations that let the gradient fade.
// In: a Network without errors.  Out: diagnostics, one of a kind for a network.
#include "compiler/frontend/Warnings.h"

#include <algorithm>

namespace cnnc {
namespace {

int biasOf(const Layer &layer) {
  if (auto *conv = std::get_if<ConvLayer>(&layer.body))
    return conv->bias;
  if (auto *dense = std::get_if<DenseLayer>(&layer.body))
    return dense->bias;
  return -1;
}

/// `, bias=false` before the `)` of a call that ends in its own line and says nothing of its bias.
std::optional<Diagnostic::Fix> withoutBias(const Layer &layer) {
  Span end = layer.span;
  if (!end.file)
    return std::nullopt;
  std::string call = lineText(*end.file, end.line).substr(end.column - 1, end.length);
  if (call.empty() || call.back() != ')' || call.find("bias") != std::string::npos)
    return std::nullopt;
  end.column += end.length - 1;
  end.length = 0;
  return Diagnostic::Fix{end, ", bias=false"};
}

void biasBeforeNorm(const Network &network, DiagnosticEngine &diagnostics) {
  std::vector<int> readers(network.layers.size(), 0);
  for (const Layer &layer : network.layers)
    for (int input : layer.inputs)
      ++readers[size_t(input)];
  std::vector<const Layer *> found;
  std::vector<Diagnostic::Fix> fixes;
  bool all = true;
  for (const Layer &layer : network.layers) {
    if (!std::holds_alternative<BatchNormLayer>(layer.body))
      continue;
    const Layer &before = network.layers[size_t(layer.inputs[0])];
    if (biasOf(before) < 0 || readers[size_t(layer.inputs[0])] > 1)
      continue;
    bool written = std::any_of(found.begin(), found.end(), [&](auto *f) { return position(f->span) == position(before.span); });
    found.push_back(&before);
    if (written)
      continue;
    if (auto fix = withoutBias(before))
      fixes.push_back(*fix);
    else
      all = false;
  }
  if (found.empty())
    return;
  const Layer &first = *found[0];
  auto &d = diagnostics.report(Diag::BiasBeforeNorm, first.span).label(first.span, "batchnorm subtracts the bias of `" + first.name + "` again");
  if (found.size() > 1)
    d.note("so it is with " + plural(found.size() - 1, "other layer") + ", the next one `" + found[1]->name + "` at " + position(found[1]->span));
  d.help("bias=false, in each of them");
  if (all)
    d.remarks.back().fixes = fixes;
}

void saturation(const Network &network, DiagnosticEngine &diagnostics) {
  std::vector<int> depth(network.layers.size(), 0); // saturating activations behind each other, on the way with the fewest at an add
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const Layer &layer = network.layers[i];
    bool around = std::holds_alternative<AddLayer>(layer.body), gate = std::holds_alternative<GateLayer>(layer.body);
    for (size_t k = 0; k < layer.inputs.size() && !(gate && k > 0); ++k) {
      int before = depth[size_t(layer.inputs[k])];
      depth[i] = k == 0 ? before : around ? std::min(depth[i], before) : std::max(depth[i], before);
    }
    if (std::holds_alternative<BatchNormLayer>(layer.body) || std::holds_alternative<GroupNormLayer>(layer.body) ||
        std::holds_alternative<LayerNormLayer>(layer.body))
      depth[i] = 0;
    bool saturates = std::holds_alternative<ActivationLayer>(layer.body) && (layer.kind == "sigmoid" || layer.kind == "logit" || layer.kind == "tanh");
    if (saturates && ++depth[i] == manySaturating) {
      diagnostics.report(Diag::Saturation, layer.span, {std::to_string(manySaturating)})
          .label(layer.span, "the last one of them")
          .help("relu keeps the gradient, and batchnorm in front of each " + layer.kind + " keeps it where it is steep");
      return;
    }
  }
}

} // namespace

void warnAbout(const Network &network, DiagnosticEngine &diagnostics) {
  biasBeforeNorm(network, diagnostics);
  saturation(network, diagnostics);
}

} // namespace cnnc
