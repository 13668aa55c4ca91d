// A graph of ONNX operators under construction (onnx.proto of ONNX 1.12: IR version 8, opset 17).
// In: nodes in order, tensors.  Out: the bytes of a ModelProto.
#pragma once
#include "runtime/params/ProtoWriter.h"
#include <map>
#include <vector>

namespace rt {

class OnnxGraph {
public:
  using Names = std::vector<std::string>;
  using Shape = std::vector<int64_t>;

  /// One attribute of a node.
  struct Attribute {
    std::string name;
    enum { integer, real, integers } kind;
    int64_t i = 0;
    float f = 0;
    Shape ints;
  };
  static Attribute integer(const std::string &name, int64_t value) { return {name, Attribute::integer, value, 0, {}}; }
  static Attribute real(const std::string &name, double value) { return {name, Attribute::real, 0, float(value), {}}; }
  static Attribute integers(const std::string &name, const Shape &values) { return {name, Attribute::integers, 0, 0, values}; }

  /// Adds a node and returns its output's name: `output`, or one made of the operator where that is empty.
  std::string node(const std::string &op, const Names &inputs, const std::vector<Attribute> &attributes = {}, std::string output = "");
  /// Float tensors; a scalar has the empty shape.
  std::string tensor(const std::string &name, const Shape &shape, const std::vector<double> &values);
  std::string number(double value);
  std::string shape(const Shape &values); ///< an int64 vector, for Reshape and Pad

  /// A free batch dimension comes first in the model's inputs and outputs.
  void input(const std::string &name, const Shape &sample) { inputs.message(11, value(name, sample)); }
  void output(const std::string &name, const Shape &sample) { outputs.message(12, value(name, sample)); }
  void property(const std::string &key, const std::string &value);

  /// The whole file; fails with Exit::usage beyond 2 GiB, which protocol buffers cannot hold.
  std::string model(const std::string &name, const std::string &producer, const std::string &version) const;
  std::string prefix; ///< what names made here begin with: the layer's name

private:
  static ProtoWriter value(const std::string &name, const Shape &sample);
  std::string fresh(const std::string &what);
  ProtoWriter nodes, initializers, inputs, outputs, properties;
  std::map<std::string, int> used;
  std::map<double, std::string> numbers;
};

} // namespace rt
