// A graph of ONNX operators as the bytes of a ModelProto.
// In: nodes and tensors.  Out: fields, with their numbers from onnx.proto beside them.
#include "runtime/export/OnnxGraph.h"
#include "runtime/Failure.h"

namespace rt {

namespace {
enum { floatType = 1, int64Type = 7 };                                   // TensorProto.DataType
enum { attributeFloat = 1, attributeInt = 2, attributeInts = 7 };        // AttributeProto.AttributeType
constexpr int64_t irVersion = 8, opset = 17;
} // namespace

/// Names that a layer's own nodes may take: "conv1", "gelu1/Mul", "gelu1/Mul_2".
std::string OnnxGraph::fresh(const std::string &what) {
  const std::string name = prefix + "/" + what;
  const int count = ++used[name];
  return count == 1 ? name : fmt::format("{}_{}", name, count);
}

std::string OnnxGraph::node(const std::string &op, const Names &in, const std::vector<Attribute> &attributes, std::string out) {
  if (out.empty())
    out = fresh(op);
  ProtoWriter n;
  for (const std::string &name : in)
    n.text(1, name);    // input
  n.text(2, out);       // output
  n.text(3, out);       // name
  n.text(4, op);        // op_type
  for (const Attribute &a : attributes) {
    ProtoWriter w;
    w.text(1, a.name);
    if (a.kind == Attribute::real)
      w.real32(2, a.f); // f
    if (a.kind == Attribute::integer)
      w.integer(3, a.i); // i
    for (int64_t i : a.ints)
      w.integer(8, i); // ints
    w.integer(20, a.kind == Attribute::real ? attributeFloat : a.kind == Attribute::integer ? attributeInt : attributeInts); // type
    n.message(5, w); // attribute
  }
  nodes.message(1, n); // GraphProto.node
  return out;
}

std::string OnnxGraph::tensor(const std::string &name, const Shape &shape, const std::vector<double> &values) {
  ProtoWriter t;
  for (int64_t extent : shape)
    t.integer(1, extent);  // dims
  t.integer(2, floatType); // data_type
  t.text(8, name);         // name
  const std::vector<float> floats(values.begin(), values.end());
  t.text(9, std::string(reinterpret_cast<const char *>(floats.data()), floats.size() * sizeof(float))); // raw_data
  initializers.message(5, t); // GraphProto.initializer
  return name;
}

std::string OnnxGraph::number(double value) {
  std::string &name = numbers[value];
  if (name.empty())
    name = tensor(fmt::format("number/{}", numbers.size()), {}, {value});
  return name;
}

std::string OnnxGraph::shape(const Shape &values) {
  const std::string name = fresh("shape");
  ProtoWriter t;
  t.integer(1, int64_t(values.size()));
  t.integer(2, int64Type);
  t.text(8, name);
  t.text(9, std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(int64_t)));
  initializers.message(5, t);
  return name;
}

ProtoWriter OnnxGraph::value(const std::string &name, const Shape &sample) {
  ProtoWriter shape, batch, type, info;
  batch.text(2, "N");      // Dimension.dim_param
  shape.message(1, batch); // TensorShapeProto.dim
  for (int64_t extent : sample) {
    ProtoWriter dimension;
    dimension.integer(1, extent); // dim_value
    shape.message(1, dimension);
  }
  ProtoWriter tensor;
  tensor.integer(1, floatType); // TypeProto.Tensor.elem_type
  tensor.message(2, shape);     // shape
  type.message(1, tensor);      // TypeProto.tensor_type
  info.text(1, name);           // ValueInfoProto.name
  info.message(2, type);        // type
  return info;
}

void OnnxGraph::property(const std::string &key, const std::string &value) {
  ProtoWriter entry;
  entry.text(1, key);
  entry.text(2, value);
  properties.message(14, entry); // ModelProto.metadata_props
}

std::string OnnxGraph::model(const std::string &name, const std::string &producer, const std::string &version) const {
  ProtoWriter title, set, m;
  title.text(2, name); // GraphProto.name
  set.integer(2, opset); // OperatorSetIdProto.version of the default domain
  const std::string graph = nodes.bytes() + title.bytes() + initializers.bytes() + inputs.bytes() + outputs.bytes();
  if (graph.size() > INT32_MAX)
    fail(Exit::usage, "an ONNX file holds 2 GiB, this network needs {} MiB", graph.size() >> 20);
  m.integer(1, irVersion);
  m.text(2, producer);
  m.text(3, version);
  m.text(7, graph);
  m.message(8, set);
  return m.bytes() + properties.bytes();
}

} // namespace rt
