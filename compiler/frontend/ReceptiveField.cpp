// Receptive fields, from the input on.
// In: a Network.  Out: one size a layer.
#include "compiler/frontend/ReceptiveField.h"

#include <algorithm>

namespace cnnc {
namespace {

struct Reach {
  Size2 field{1, 1}, jump{1, 1};
};

/// Larger numbers than any input has sides say no more than this one.
constexpr int64_t most = int64_t(1) << 40;

int64_t clamp(double value) { return value > double(most) ? most : int64_t(value); }

Reach behind(const Reach &in, Size2 kernel, Size2 stride, Size2 dilation) {
  auto field = [](int64_t r, int64_t K, int64_t D, int64_t j) { return clamp(double(r) + double(K - 1) * double(D) * double(j)); };
  return {{field(in.field.h, kernel.h, dilation.h, in.jump.h), field(in.field.w, kernel.w, dilation.w, in.jump.w)},
          {clamp(double(in.jump.h) * double(stride.h)), clamp(double(in.jump.w) * double(stride.w))}};
}

} // namespace

std::vector<Size2> receptiveFields(const Network &network) {
  std::vector<Reach> reaches;
  for (const Layer &layer : network.layers) {
    Reach reach;
    for (int input : layer.inputs) {
      const Reach &in = reaches[size_t(input)];
      reach = {{std::max(reach.field.h, in.field.h), std::max(reach.field.w, in.field.w)}, {std::max(reach.jump.h, in.jump.h), std::max(reach.jump.w, in.jump.w)}};
    }
    const MapShape in = layer.inputs.empty() ? layer.output : network.layers[size_t(layer.inputs[0])].output;
    if (auto *conv = std::get_if<ConvLayer>(&layer.body))
      reach = behind(reach, conv->kernel, conv->stride, conv->dilation);
    else if (auto *pool = std::get_if<PoolLayer>(&layer.body))
      reach = behind(reach, pool->kernel, pool->stride, {1, 1});
    else if (std::holds_alternative<GlobalPoolLayer>(layer.body) || std::holds_alternative<FlattenLayer>(layer.body))
      reach = behind(reach, {in.height, in.width}, {1, 1}, {1, 1});
    reaches.push_back(reach);
  }
  std::vector<Size2> fields;
  for (const Reach &reach : reaches)
    fields.push_back(reach.field);
  return fields;
}

} // namespace cnnc
