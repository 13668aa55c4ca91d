// A network with its parameters as an ONNX model.
// In: a description, a store, the normalisation.  Out: the bytes of a file.
#pragma once
#include "runtime/export/OnnxGraph.h"
#include "runtime/params/TensorStore.h"
#include <nlohmann/json_fwd.hpp>

namespace rt {

struct OnnxOptions {
  bool fold = true; ///< batch-norms become part of the convolution or dense layer before them
  bool normalize = false; ///< the input is v/255 in [0,1], and the normalisation stands in the graph
  std::vector<double> mean, std; ///< of v/255 per channel; empty: none
};

/// Input "input" (N,C,H,W), outputs "logits" (N,K) and, where the network ends with softmax, "probabilities". All numbers are f32.
std::string toOnnx(const Description &description, const TensorStore &store, const OnnxOptions &options);

/// The nodes of a scalar expression of x, as abi.h writes it; returns the name of its value.
std::string onnxExpression(OnnxGraph &graph, const nlohmann::json &expression, const std::string &x);

} // namespace rt
