// A network with its parameters as an ONNX model: one walk over the layers, each a function of its attributes.
// In: the description's graph, tensors in logical order.  Out: nodes that compute what `infer` computes.
#include "runtime/export/Onnx.h"
#include "runtime/Failure.h"
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

namespace rt {

using Json = nlohmann::json;
using Shape = OnnxGraph::Shape;
using Names = OnnxGraph::Names;

namespace {
class Export {
public:
  Export(const Description &d, const TensorStore &store, const OnnxOptions &options) : d(d), store(store), options(options) {}

  std::string run() {
    uses.resize(d.layers.size());
    for (const LayerInfo &l : d.layers) {
      if (l.output.size() != 3 || std::any_of(l.inputs.begin(), l.inputs.end(), [&](size_t i) { return i >= values.size(); }))
        fail(Exit::badModel, "the layer {} has an impossible place in the network", printable(l.name));
      for (size_t i : l.inputs)
        ++uses[i];
      values.emplace_back();
      attributes.push_back(Json::parse(l.attributes));
      if (!attributes.back().contains("op"))
        fail(Exit::badModel, "this program carries no graph of its layers; compile it again to export it");
    }
    for (size_t i = 0; i < d.layers.size(); ++i)
      layer(i);
    finish();
    const size_t space = d.compiler.find(' ');
    return g.model(d.name, d.compiler.substr(0, space), space == std::string::npos ? "" : d.compiler.substr(space + 1));
  }

private:
  const Description &d;
  const TensorStore &store;
  const OnnxOptions &options;
  OnnxGraph g;
  std::vector<std::string> values; ///< of each layer's output
  std::vector<Json> attributes;
  std::vector<int> uses;
  std::vector<bool> folded = std::vector<bool>(d.layers.size());
  std::string logits, probabilities;

  const LayerInfo &info(size_t i) const { return d.layers[i]; }
  static Shape sampleShape(const LayerInfo &l) { return l.flat ? Shape{l.output[0]} : l.output; }
  static Shape ints(const Json &j) { return j.get<Shape>(); }

  std::vector<double> read(const std::string &name, Shape &shape) const {
    const TensorInfo *t = d.findTensor(name);
    if (!t)
      fail(Exit::badModel, "the model's graph names a tensor {} that is not there", printable(name));
    shape = t->shape;
    std::vector<double> values(size_t(t->elements));
    const size_t at = size_t(t - d.tensors.data());
    if (store.elementKind() == CNN_F64) {
      store.readLogical(at, values.data());
    } else {
      std::vector<float> floats(values.size());
      store.readLogical(at, floats.data());
      values.assign(floats.begin(), floats.end());
    }
    return values;
  }
  std::vector<double> read(const Json &name, size_t n, double otherwise) const {
    Shape shape;
    return name.is_null() ? std::vector<double>(n, otherwise) : read(name.get<std::string>(), shape);
  }
  std::string parameter(const std::string &name, const Shape *as = nullptr) {
    Shape shape;
    const std::vector<double> values = read(name, shape);
    return g.tensor(name, as ? *as : shape, values);
  }

  /// The one layer that reads i's output, if it is a batch-norm that can become part of i; otherwise the number of layers.
  size_t batchNormAfter(size_t i) const {
    if (options.fold && uses[i] == 1)
      for (size_t j = i + 1; j < d.layers.size(); ++j)
        if (info(j).inputs == std::vector<size_t>{i})
          return attributes[j]["op"] == "batchnorm" ? j : d.layers.size();
    return d.layers.size();
  }
  struct Affine {
    std::vector<double> scale, shift;
  };
  /// y = scale * x + shift per channel, of a batch-norm with its running statistics.
  Affine affineOf(size_t i) const {
    const Json &a = attributes[i];
    const size_t C = size_t(info(i).output[0]);
    Affine f{read(a["weight"], C, 1), read(a["bias"], C, 0)};
    const std::vector<double> mean = read(a["running_mean"], C, 0), var = read(a["running_var"], C, 1);
    for (size_t c = 0; c < C; ++c) {
      f.scale[c] /= std::sqrt(var[c] + a["eps"].get<double>());
      f.shift[c] -= mean[c] * f.scale[c];
    }
    return f;
  }

  /// The names of weight and bias of a convolution or dense layer, a batch-norm behind it folded in.
  Names weights(size_t i) {
    const Json &a = attributes[i];
    const size_t bn = batchNormAfter(i);
    const std::string weight = a["weight"];
    if (bn == d.layers.size()) {
      Names names{parameter(weight)};
      if (!a["bias"].is_null())
        names.push_back(parameter(a["bias"]));
      return names;
    }
    Shape shape;
    std::vector<double> w = read(weight, shape);
    const Affine f = affineOf(bn);
    const size_t O = f.scale.size(), row = w.size() / O;
    std::vector<double> b = read(a["bias"], O, 0);
    for (size_t o = 0; o < O; ++o) {
      for (size_t k = 0; k < row; ++k)
        w[o * row + k] *= f.scale[o];
      b[o] = b[o] * f.scale[o] + f.shift[o];
    }
    folded[bn] = true;
    return {g.tensor(weight, shape, w), g.tensor(info(i).name + ".bias", {int64_t(O)}, b)};
  }

  void layer(size_t i) {
    const LayerInfo &l = info(i);
    const Json &a = attributes[i];
    const std::string op = a["op"];
    g.prefix = l.name;
    Names in;
    for (size_t from : l.inputs)
      in.push_back(values[from]);
    if (op == "input") {
      values[i] = input();
      return;
    }
    if (in.empty() || (op == "gate" && in.size() != 2))
      fail(Exit::badModel, "the layer {} lacks an input", printable(l.name));
    values[i] = compute(i, op, a, in);
  }

  std::string compute(size_t i, const std::string &op, const Json &a, const Names &in) {
    const LayerInfo &l = info(i);
    if (op == "conv" || op == "dense") {
      Names all = in;
      for (const std::string &name : weights(i))
        all.push_back(name);
      if (op == "dense")
        return g.node("Gemm", all, {OnnxGraph::integer("transB", 1)});
      return g.node("Conv", all, {OnnxGraph::integers("kernel_shape", ints(a["kernel"])), OnnxGraph::integers("strides", ints(a["stride"])),
                                  OnnxGraph::integers("dilations", ints(a["dilation"])), OnnxGraph::integers("pads", ints(a["pads"])),
                                  OnnxGraph::integer("group", a["groups"])});
    }
    if (op == "maxpool" || op == "avgpool")
      return pool(a, in[0], op == "maxpool");
    if (op == "global_maxpool" || op == "global_avgpool") {
      const std::string pooled = g.node(op == "global_maxpool" ? "GlobalMaxPool" : "GlobalAveragePool", in);
      return l.flat ? g.node("Flatten", {pooled}, {OnnxGraph::integer("axis", 1)}) : pooled;
    }
    if (op == "batchnorm")
      return folded[i] ? in[0] : batchNorm(l, a, in[0]);
    if (op == "groupnorm")
      return groupNorm(l, a, in[0]);
    if (op == "layernorm")
      return layerNorm(l, a, in[0]);
    if (op == "layernorm_channels")
      return channelNorm(l, a, in[0]);
    if (op == "layer_scale") {
      const Shape perChannel = l.flat ? Shape{l.output[0]} : Shape{l.output[0], 1, 1};
      return g.node("Mul", {in[0], parameter(a["weight"], &perChannel)});
    }
    if (op == "lrn")
      return lrn(l, a, in[0]);
    if (op == "dropout") // the identity, outside of training
      return in[0];
    if (op == "activation")
      return onnxExpression(g, a["expression"], in[0]);
    if (op == "prelu") {
      const Shape one{1};
      return g.node("PRelu", {in[0], parameter(a["weight"], &one)});
    }
    if (op == "flatten")
      return g.node("Flatten", in, {OnnxGraph::integer("axis", 1)});
    if (op == "softmax") {
      logits = in[0];
      return probabilities = g.node("Softmax", in, {OnnxGraph::integer("axis", 1)}, "probabilities");
    }
    if (op == "add")
      return in.size() == 2 ? g.node("Add", in) : g.node("Sum", in);
    if (op == "concat")
      return g.node("Concat", in, {OnnxGraph::integer("axis", 1)});
    if (op == "gate") {
      const bool spread = info(l.inputs[1]).flat && !l.flat;
      return g.node("Mul", {in[0], spread ? g.node("Reshape", {in[1], g.shape({0, l.output[0], 1, 1})}) : in[1]});
    }
    fail(Exit::badModel, "the layer {} of kind {} has no ONNX form", printable(l.name), printable(op));
  }

  std::string input() {
    const LayerInfo &l = info(0);
    g.input("input", sampleShape(l));
    std::string x = "input";
    if (!options.normalize || options.mean.empty())
      return x;
    const Shape perChannel{l.output[0], 1, 1};
    x = g.node("Sub", {x, g.tensor("normalize/mean", perChannel, options.mean)});
    return g.node("Div", {x, g.tensor("normalize/std", perChannel, options.std)});
  }

  /// Cells that `ceil` adds are counted by no pool; cells of the padding by an average with count_pad alone. ONNX has one flag for both.
  std::string pool(const Json &a, std::string x, bool max) {
    Shape pads = ints(a["pads"]);
    const Shape extra = ints(a["ceil_extra"]);
    const bool padded = pads != Shape{0, 0, 0, 0}, counted = !max && a["count_pad"].get<bool>() && padded;
    const bool more = extra != Shape{0, 0};
    if (counted && more) {
      x = g.node("Pad", {x, g.shape({0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]})});
      pads = {0, 0, 0, 0};
    }
    pads[2] += extra[0], pads[3] += extra[1];
    std::vector<OnnxGraph::Attribute> list{OnnxGraph::integers("kernel_shape", ints(a["kernel"])), OnnxGraph::integers("strides", ints(a["stride"])),
                                           OnnxGraph::integers("pads", pads)};
    if (!max)
      list.push_back(OnnxGraph::integer("count_include_pad", counted && !more));
    return g.node(max ? "MaxPool" : "AveragePool", {x}, list);
  }

  std::string batchNorm(const LayerInfo &l, const Json &a, const std::string &x) {
    const size_t C = size_t(l.output[0]);
    auto given = [&](const char *key, double otherwise) {
      return g.tensor(a[key].is_null() ? l.name + "." + key : a[key].get<std::string>(), {int64_t(C)}, read(a[key], C, otherwise));
    };
    const std::string scale = given("weight", 1), shift = given("bias", 0), mean = given("running_mean", 0), var = given("running_var", 1);
    return g.node("BatchNormalization", {x, scale, shift, mean, var}, {OnnxGraph::real("epsilon", a["eps"])});
  }

  /// Opset 17 has no GroupNormalization: each group is an instance of its own.
  std::string groupNorm(const LayerInfo &l, const Json &a, std::string x) {
    const int64_t G = a["groups"];
    x = g.node("Reshape", {x, g.shape({0, G, -1})});
    const std::string ones = g.tensor(l.name + "/ones", {G}, std::vector<double>(size_t(G), 1)), zeros = g.tensor(l.name + "/zeros", {G}, std::vector<double>(size_t(G)));
    x = g.node("InstanceNormalization", {x, ones, zeros}, {OnnxGraph::real("epsilon", a["eps"])});
    Shape back{0};
    for (int64_t extent : sampleShape(l))
      back.push_back(extent);
    x = g.node("Reshape", {x, g.shape(back)});
    const Shape perChannel = l.flat ? Shape{l.output[0]} : Shape{l.output[0], 1, 1};
    if (!a["weight"].is_null())
      x = g.node("Mul", {x, parameter(a["weight"], &perChannel)});
    return a["bias"].is_null() ? x : g.node("Add", {x, parameter(a["bias"], &perChannel)});
  }

  std::string layerNorm(const LayerInfo &l, const Json &a, const std::string &x) {
    const Shape shape = sampleShape(l);
    const size_t n = size_t(std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<>()));
    Names in{x, a["weight"].is_null() ? g.tensor(l.name + ".weight", shape, std::vector<double>(n, 1)) : parameter(a["weight"], &shape)};
    if (!a["bias"].is_null())
      in.push_back(parameter(a["bias"], &shape));
    return g.node("LayerNormalization", in, {OnnxGraph::integer("axis", 1), OnnxGraph::real("epsilon", a["eps"])});
  }

  /// Over the channels of each pixel: ONNX normalises the last axes alone.
  std::string channelNorm(const LayerInfo &l, const Json &a, std::string x) {
    const int64_t C = l.output[0];
    if (!l.flat)
      x = g.node("Transpose", {x}, {OnnxGraph::integers("perm", {0, 2, 3, 1})});
    Names in{x, a["weight"].is_null() ? g.tensor(l.name + ".weight", {C}, std::vector<double>(size_t(C), 1)) : parameter(a["weight"])};
    if (!a["bias"].is_null())
      in.push_back(parameter(a["bias"]));
    x = g.node("LayerNormalization", in, {OnnxGraph::integer("axis", -1), OnnxGraph::real("epsilon", a["eps"])});
    return l.flat ? x : g.node("Transpose", {x}, {OnnxGraph::integers("perm", {0, 3, 1, 2})});
  }

  /// An even window reaches one channel further back, ONNX's one further on (and onnxruntime knows odd ones alone): spelt out as a mean.
  std::string lrn(const LayerInfo &l, const Json &a, const std::string &x) {
    const int64_t size = a["size"];
    if (size % 2 == 1 && !l.flat)
      return g.node("LRN", {x}, {OnnxGraph::integer("size", size), OnnxGraph::real("alpha", a["alpha"]), OnnxGraph::real("beta", a["beta"]),
                                 OnnxGraph::real("bias", a["k"])});
    const int64_t C = l.output[0], area = l.output[1] * l.output[2];
    std::string s = g.node("Reshape", {g.node("Mul", {x, x}), g.shape({0, 1, C, area})});
    s = g.node("Pad", {s, g.shape({0, 0, size / 2, 0, 0, 0, (size - 1) / 2, 0})});
    s = g.node("AveragePool", {s}, {OnnxGraph::integers("kernel_shape", {size, 1})});
    Shape back{0};
    for (int64_t extent : sampleShape(l))
      back.push_back(extent);
    s = g.node("Reshape", {s, g.shape(back)});
    s = g.node("Add", {g.node("Mul", {s, g.number(a["alpha"])}), g.number(a["k"])});
    return g.node("Div", {x, g.node("Pow", {s, g.number(a["beta"])})});
  }

  void finish() {
    if (d.layers.empty())
      fail(Exit::badModel, "the network has no layers");
    g.prefix = "output";
    g.node("Identity", {logits.empty() ? values.back() : logits}, {}, "logits");
    g.output("logits", {d.classes});
    if (!probabilities.empty())
      g.output("probabilities", {d.classes});
    Json classes = Json::array();
    for (int64_t k = 0; k < d.classes; ++k)
      classes.push_back(d.className(k));
    g.property("classes", classes.dump(-1, ' ', false, Json::error_handler_t::replace));
    g.property("definition_hash", d.hash);
    g.property("normalize_mean", Json(options.mean).dump());
    g.property("normalize_std", Json(options.std).dump());
    g.property("input", options.normalize ? "v/255, in [0,1]" : "(v/255 - normalize_mean) / normalize_std per channel");
  }
};
} // namespace

std::string toOnnx(const Description &description, const TensorStore &store, const OnnxOptions &options) {
  try {
    return Export(description, store, options).run();
  } catch (const Json::exception &e) {
    fail(Exit::badModel, "the model's description is damaged: {}", e.what());
  }
}

} // namespace rt
