// What a model says of itself, as plain structs.
// In: the JSON of cnn_model.description.  Out: a Description; nothing of JSON leaves this file.
#include "runtime/params/Description.h"
#include "runtime/Failure.h"
#include <nlohmann/json.hpp>

namespace rt {

using Json = nlohmann::ordered_json;

static const std::pair<const char *, TensorKind> kinds[] = {{"weight", TensorKind::weight},
                                                            {"bias", TensorKind::bias},
                                                            {"running_mean", TensorKind::runningMean},
                                                            {"running_var", TensorKind::runningVar},
                                                            {"state", TensorKind::state}};

const char *name(TensorKind kind) {
  for (auto &[text, k] : kinds)
    if (k == kind)
      return text;
  return "?";
}

static TensorKind parseKind(const std::string &text) {
  for (auto &[name, kind] : kinds)
    if (text == name)
      return kind;
  fail(Exit::badModel, "the model has a tensor of unknown kind '{}'", text);
}

template <class T> static T get(const Json &j, const char *key, T otherwise) {
  auto it = j.find(key);
  return it == j.end() || it->is_null() ? otherwise : it->get<T>();
}

static const Json *find(const Json &j, const char *key) {
  auto it = j.find(key);
  return it == j.end() || it->is_null() ? nullptr : &*it;
}

static TensorInfo parseTensor(const Json &j) {
  TensorInfo t;
  t.name = j.at("name");
  t.kind = parseKind(j.at("kind"));
  t.shape = j.at("shape").get<std::vector<int64_t>>();
  for (int64_t extent : t.shape)
    if (extent < 1 || __builtin_mul_overflow(t.elements, extent, &t.elements) || t.elements > (int64_t(1) << 48))
      fail(Exit::badModel, "the model's tensor {} has an impossible shape", t.name);
  if (const Json *storage = find(j, "storage")) {
    t.storage.filter = get<std::string>(*storage, "layout", "plain") == "filter";
    t.storage.block = get<int64_t>(*storage, "block", 1);
    if (t.storage.filter && (t.shape.size() != 4 || t.storage.block < 1 || t.shape[0] % t.storage.block))
      fail(Exit::badModel, "the model's tensor {} has a block of {} that does not divide its filters", t.name, t.storage.block);
  }
  if (const Json *init = find(j, "init"))
    t.init = {get<std::string>(*init, "kind", "zeros"), get<double>(*init, "fan_in", 0), get<double>(*init, "fan_out", 0),
              get<std::vector<double>>(*init, "args", {})};
  t.of = get<std::string>(j, "of", "");
  return t;
}

static std::optional<Source> parseSource(const Json *j) {
  if (!j || !j->contains("reader"))
    return std::nullopt;
  return Source{j->at("reader"), get<std::vector<std::string>>(*j, "files", {})};
}

static DataInfo parseData(const Json &j) {
  DataInfo data;
  data.root = get<std::string>(j, "root", ".");
  data.train = parseSource(find(j, "train"));
  data.test = parseSource(find(j, "test"));
  data.val = parseSource(find(j, "val"));
  if (const Json *val = find(j, "val"))
    data.valSplit = get<double>(*val, "split", 0);
  data.classNames = get<std::vector<std::string>>(j, "class_names", {});
  if (const Json *normalize = find(j, "normalize")) {
    data.normalize = normalize->is_object() ? DataInfo::Normalize::given : DataInfo::Normalize::automatic;
    if (normalize->is_object()) {
      data.mean = normalize->at("mean").get<std::vector<double>>();
      data.std = normalize->at("std").get<std::vector<double>>();
    }
  }
  data.resize = get<std::string>(j, "resize", "stretch");
  if (data.resize != "stretch" && data.resize != "crop" && data.resize != "pad")
    fail(Exit::badModel, "the model asks for the resize mode '{}'; there are stretch, crop and pad", data.resize);
  if (const Json *augment = find(j, "augment"))
    for (const Json &step : *augment)
      data.augment.push_back({step.at("name"), get<std::vector<double>>(step, "args", {})});
  return data;
}

static TrainInfo parseTrain(const Json &j) {
  TrainInfo train;
  train.epochs = get<int64_t>(j, "epochs", 1);
  if (const Json *optimizer = find(j, "optimizer")) {
    train.optimizer = get<std::string>(*optimizer, "name", "");
    train.lr = get<double>(*optimizer, "lr", 0);
  }
  train.schedule = get<std::string>(j, "schedule", "");
  if (const Json *loss = find(j, "loss"))
    train.loss = {get<std::string>(*loss, "kind", "cross_entropy"), get<double>(*loss, "smoothing", 0),
                  get<std::vector<double>>(*loss, "weights", {}), get<std::map<std::string, double>>(*loss, "args", {})};
  if (const Json *keep = find(j, "keep"))
    train.keep = KeepRule{keep->at("metric"), get<std::string>(*keep, "best", "max") != "min"};
  if (const Json *stop = find(j, "stop"))
    train.stop = StopRule{stop->at("metric"), get<int64_t>(*stop, "epochs", 1)};
  if (const Json *p = find(j, "plateau"))
    train.plateau = PlateauRule{p->at("metric"), get<std::string>(*p, "best", "min") == "max", get<double>(*p, "factor", 0.1), get<double>(*p, "threshold", 1e-4),
                                get<double>(*p, "floor", 0), get<uint64_t>(*p, "patience", 10), get<uint64_t>(*p, "cooldown", 0)};
  if (const Json *loads = find(j, "load"))
    for (const Json &load : *loads)
      train.load.push_back({load.at("file"), get<std::string>(load, "for", ""), get<std::string>(load, "at", "")});
  train.freeze = get<std::vector<std::string>>(j, "freeze", {});
  train.seed = get<uint64_t>(j, "seed", 0);
  return train;
}

static LayerInfo parseLayer(const Json &j) {
  return {get<std::string>(j, "name", ""),     get<std::string>(j, "kind", ""), get<std::string>(j, "formula", ""),
          get<std::vector<int64_t>>(j, "output", {}), get<int64_t>(j, "parameters", 0), get<int64_t>(j, "macs", 0),
          get<bool>(j, "flat", false), get<std::vector<size_t>>(j, "inputs", {}), get<Json>(j, "attributes", Json::object()).dump()};
}

static Description parse(const Json &j) {
  Description d;
  d.name = j.at("name");
  d.sourceFile = get<std::string>(j, "source_file", "");
  d.compiler = get<std::string>(j, "compiler", "");
  d.hash = get<std::string>(j, "hash", "");
  d.source = get<std::string>(j, "source", "");
  d.precision = get<std::string>(j, "precision", "f32");
  d.target = get<std::string>(j, "target", "cpu");
  d.cpu = get<std::string>(j, "cpu", "");
  d.batch = j.at("batch");
  const auto input = j.at("input").get<std::vector<int64_t>>();
  if (input.size() != 3 || d.batch < 1 || input[0] < 1 || input[1] < 1 || input[2] < 1)
    fail(Exit::badModel, "the model's input or batch is impossible");
  d.channels = input[0], d.height = input[1], d.width = input[2];
  d.classes = j.at("classes");
  for (const Json &layer : j.at("layers"))
    d.layers.push_back(parseLayer(layer));
  for (const Json &tensor : j.at("tensors"))
    d.tensors.push_back(parseTensor(tensor));
  if (const Json *folded = find(j, "folded"))
    for (const Json &f : *folded)
      d.folded.push_back({f.at("filter"), f.at("bias"), f.at("scale"), f.at("shift"), f.at("mean"), f.at("variance"), f.at("eps")});
  if (const Json *data = find(j, "data"))
    d.data = parseData(*data);
  if (const Json *train = find(j, "train"))
    d.train = parseTrain(*train);
  if (!find(j, "train") || !find(j.at("train"), "seed"))
    d.train.seed = get<uint64_t>(j, "seed", 0);
  return d;
}

Description parseDescription(const cnn_model &model) {
  if (model.abi_version != CNN_ABI_VERSION)
    fail(Exit::badModel, "the model speaks version {} of the runtime's interface, this runtime version {}", model.abi_version,
         CNN_ABI_VERSION);
  try {
    return parse(Json::parse(model.description, model.description + model.description_size));
  } catch (const Json::exception &e) {
    fail(Exit::badModel, "the model's description is damaged: {}", e.what());
  }
}

std::string Description::className(int64_t i) const {
  if (data && size_t(i) < data->classNames.size())
    return data->classNames[size_t(i)];
  return size_t(i) < foundClassNames.size() ? foundClassNames[size_t(i)] : fmt::format("class {}", i);
}

bool isIn(const std::string &tensor, const std::string &scope) {
  return scope.empty() || (tensor.compare(0, scope.size(), scope) == 0 && (tensor.size() == scope.size() || tensor[scope.size()] == '.'));
}

std::vector<bool> tensorsIn(const std::vector<TensorInfo> &tensors, const std::string &scope) {
  std::vector<bool> within, beginning;
  bool any = false;
  for (const TensorInfo &t : tensors) {
    within.push_back(isIn(t.name, scope));
    beginning.push_back(t.name.compare(0, scope.size(), scope) == 0);
    any |= within.back();
  }
  return any ? within : beginning;
}

const TensorInfo *Description::findTensor(const std::string &wanted) const {
  for (const TensorInfo &t : tensors)
    if (t.name == wanted)
      return &t;
  return nullptr;
}

} // namespace rt
