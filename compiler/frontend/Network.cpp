// Which tensors belong to which layer, and how large they are.
// In: a Network.  Out: indices and numbers.
#include "compiler/frontend/Network.h"

#include <algorithm>

namespace cnnc {
namespace {

/// The parameters of each kind of layer; those without any have none of these members.
struct Parameters {
  std::vector<int> operator()(const ConvLayer &l) const { return {l.weight, l.bias}; }
  std::vector<int> operator()(const DenseLayer &l) const { return {l.weight, l.bias}; }
  std::vector<int> operator()(const BatchNormLayer &l) const { return {l.weight, l.bias}; }
  std::vector<int> operator()(const GroupNormLayer &l) const { return {l.weight, l.bias}; }
  std::vector<int> operator()(const LayerNormLayer &l) const { return {l.weight, l.bias}; }
  std::vector<int> operator()(const PreluLayer &l) const { return {l.weight}; }
  std::vector<int> operator()(const LayerScaleLayer &l) const { return {l.weight}; }
  std::vector<int> operator()(const InputLayer &) const { return {}; }
  std::vector<int> operator()(const PoolLayer &) const { return {}; }
  std::vector<int> operator()(const GlobalPoolLayer &) const { return {}; }
  std::vector<int> operator()(const LrnLayer &) const { return {}; }
  std::vector<int> operator()(const DropoutLayer &) const { return {}; }
  std::vector<int> operator()(const ActivationLayer &) const { return {}; }
  std::vector<int> operator()(const FlattenLayer &) const { return {}; }
  std::vector<int> operator()(const SoftmaxLayer &) const { return {}; }
  std::vector<int> operator()(const AddLayer &) const { return {}; }
  std::vector<int> operator()(const ConcatLayer &) const { return {}; }
  std::vector<int> operator()(const GateLayer &) const { return {}; }
};

constexpr std::pair<Precision, const char *> precisionNames[] = {
    {Precision::F32, "f32"}, {Precision::F64, "f64"}, {Precision::BF16, "bf16"}, {Precision::BF16x3, "bf16x3"}};

} // namespace

const char *nameOf(Precision precision) {
  return std::find_if(std::begin(precisionNames), std::end(precisionNames), [&](const auto &p) { return p.first == precision; })->second;
}

Precision precisionOf(const std::string &name) {
  auto found = std::find_if(std::begin(precisionNames), std::end(precisionNames), [&](const auto &p) { return p.second == name; });
  return found == std::end(precisionNames) ? Precision::F32 : found->first;
}

std::vector<int> parametersOf(const Layer &layer) {
  std::vector<int> indices = std::visit(Parameters(), layer.body);
  indices.erase(std::remove(indices.begin(), indices.end(), -1), indices.end());
  return indices;
}

int64_t elementsOf(const Tensor &tensor) {
  int64_t n = 1;
  for (int64_t side : tensor.shape)
    n *= side;
  return n;
}

bool belongsTo(const Tensor &tensor, const std::string &scope) {
  return tensor.name.compare(0, scope.size(), scope) == 0 && (tensor.name.size() == scope.size() || tensor.name[scope.size()] == '.');
}

int64_t parameterCount(const Network &network, const Layer &layer) {
  int64_t n = 0;
  for (int index : parametersOf(layer))
    n += elementsOf(network.tensors[size_t(index)]);
  return n;
}

} // namespace cnnc
