// `cnnc show`: layer, kind, output shape, parameters, MACs, activation memory, formula filled in; totals below.
// In: a Network.  Out: text with columns, or JSON with the same numbers.
#include "compiler/driver/Show.h"
#include "compiler/frontend/Elaborate.h"
#include "compiler/frontend/ReceptiveField.h"
#include "compiler/frontend/ScalarPrograms.h"
#include "compiler/support/Json.h"

#include <algorithm>

namespace cnnc {
namespace {

int64_t elementsOf(const MapShape &shape) { return shape.channels * shape.height * shape.width; }

} // namespace

std::string grouped(int64_t n) {
  std::string digits = std::to_string(n), out;
  for (size_t i = 0; i < digits.size(); ++i)
    out += (i && (digits.size() - i) % 3 == 0 ? "," : "") + std::string(1, digits[i]);
  return out;
}

namespace {

std::string bytes(double n) {
  const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t unit = 0;
  for (; n >= 1024 && unit < 5; ++unit)
    n /= 1024;
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, unit && n < 100 ? "%.1f %s" : "%.0f %s", n, units[unit]);
  return buffer;
}

/// Of a parameter, and of an element of a feature map.
int64_t parameterBytes(Precision precision) { return precision == Precision::F64 ? 8 : 4; }
int64_t mapBytes(Precision precision) { return precision == Precision::BF16 ? 2 : parameterBytes(precision); }

struct Totals {
  int64_t parameters = 0, statistics = 0;
  double macs = 0, activations = 0; ///< of one sample; as real numbers they cannot overflow
};

Totals totals(const Network &network) {
  Totals t;
  for (const Tensor &tensor : network.tensors)
    (isParameter(tensor) ? t.parameters : t.statistics) += elementsOf(tensor);
  for (const Layer &layer : network.layers) {
    t.macs += double(layer.macs);
    t.activations += double(elementsOf(layer.output));
  }
  return t;
}

/// The scalar programs as they will be compiled: arguments filled in, constants folded, unused states gone.
std::string programsJson(const Train &train) {
  auto assigns = [](const std::vector<OptimizerProgram::Assign> &body) {
    std::string text;
    for (const auto &assign : body)
      text += (text.empty() ? "" : ",") + jsonString(assign.name + " = " + scalarText(assign.value));
    return "[" + text + "]";
  };
  std::string states, initial;
  for (const auto &state : train.optimizer.states) {
    states += (states.empty() ? "" : ",") + jsonString(state.name);
    initial += (initial.empty() ? "" : ",") + jsonString(state.name) + ":" + scalarText(scalarNumber(state.init));
  }
  return "\"optimizer\":{\"name\":" + jsonString(train.optimizer.name) + ",\"lr\":" + scalarText(scalarNumber(train.optimizer.lr)) + ",\"states\":[" + states +
         "],\"initial\":{" + initial + "},\"body\":" + assigns(train.optimizer.body) +
         ",\"body_no_decay\":" + assigns(train.optimizer.bodyNoDecay) + "},\"schedule\":{\"name\":" + jsonString(train.schedule.name) +
         ",\"factor\":" + jsonString(scalarText(train.schedule.factor)) + "}";
}

} // namespace

static std::string sides(Size2 size) { return std::to_string(size.h) + "x" + std::to_string(size.w); }

std::string showTable(const Network &network) {
  int64_t size = mapBytes(network.train.precision);
  std::vector<std::vector<std::string>> rows = {{"layer", "kind", "output", "parameters", "MACs", "memory", "sees", "O = (W - K + 2P)/S + 1"}};
  std::vector<Size2> fields = receptiveFields(network);
  for (const Layer &layer : network.layers)
    rows.push_back({layer.name, layer.kind, shapeText(layer.output), grouped(parameterCount(network, layer)), grouped(layer.macs),
                    bytes(double(elementsOf(layer.output)) * double(size)), sides(fields[rows.size() - 1]), layer.formula});
  std::vector<size_t> widths(rows[0].size());
  for (const auto &row : rows)
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  std::string out = "network " + network.name + "\n";
  for (const auto &row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      std::string space(widths[i] - row[i].size(), ' ');
      bool right = i >= 3 && i <= 6;
      line += (i ? "  " : "") + (right ? space + row[i] : row[i] + space);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  Totals t = totals(network);
  double batch = double(network.train.batch);
  char macs[32];
  std::snprintf(macs, sizeof macs, "%.0f", t.macs);
  out += "\n" + std::to_string(network.layers.size()) + " layers, " + grouped(t.parameters) + " parameters (" + bytes(double(t.parameters) * double(parameterBytes(network.train.precision))) + ")";
  if (t.statistics)
    out += ", " + grouped(t.statistics) + " statistics";
  out += "\n" + (t.macs < 9e18 ? grouped(int64_t(t.macs)) : std::string(macs)) + " MACs a sample, activations " + bytes(t.activations * double(size)) + " a sample, " +
         bytes(t.activations * double(size) * batch) + " at batch " + std::to_string(network.train.batch) + "\n";
  return out;
}

std::string showJson(const Network &network) {
  int64_t size = mapBytes(network.train.precision);
  auto dims = [](const MapShape &s) {
    return s.flat ? "[" + std::to_string(s.channels) + "]" : "[" + std::to_string(s.channels) + "," + std::to_string(s.height) + "," + std::to_string(s.width) + "]";
  };
  std::vector<Size2> fields = receptiveFields(network);
  std::string out = "{\"name\":" + jsonString(network.name) + ",\"input\":" + dims(network.input) + ",\"classes\":" + std::to_string(network.classes) +
                    ",\"batch\":" + std::to_string(network.train.batch) + ",\"layers\":[";
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const Layer &layer = network.layers[i];
    out += std::string(i ? "," : "") + "{\"name\":" + jsonString(layer.name) + ",\"kind\":" + jsonString(layer.kind) + ",\"inputs\":[";
    for (size_t k = 0; k < layer.inputs.size(); ++k)
      out += (k ? "," : "") + jsonString(network.layers[size_t(layer.inputs[k])].name);
    out += "],\"output\":" + dims(layer.output) + ",\"formula\":" + jsonString(layer.formula) + ",\"parameters\":" + std::to_string(parameterCount(network, layer)) +
           ",\"macs\":" + std::to_string(layer.macs) + ",\"receptive_field\":[" + std::to_string(fields[i].h) + "," + std::to_string(fields[i].w) +
           "],\"activation_bytes\":" + std::to_string(elementsOf(layer.output) * size) + "}";
  }
  out += "],\"tensors\":[";
  for (size_t i = 0; i < network.tensors.size(); ++i) {
    const Tensor &tensor = network.tensors[i];
    out += std::string(i ? "," : "") + "{\"name\":" + jsonString(tensor.name) + ",\"kind\":\"" + kindName(tensor.kind) + "\",\"shape\":[";
    for (size_t k = 0; k < tensor.shape.size(); ++k)
      out += (k ? "," : "") + std::to_string(tensor.shape[k]);
    out += std::string("],\"init\":") + jsonString(tensor.init.kind) + ",\"decay\":" + (tensor.decay ? "true" : "false") + "}";
  }
  Totals t = totals(network);
  char macs[32];
  std::snprintf(macs, sizeof macs, "%.0f", t.macs);
  out += "],\"parameters\":" + std::to_string(t.parameters) + ",\"statistics\":" + std::to_string(t.statistics) + ",\"macs\":" + macs + "," + programsJson(network.train) + "}\n";
  return out;
}

} // namespace cnnc
