// Checkpoints: tensors, and where training stands, in one safetensors file.
// In: a store and a position.  Out: bytes that depend on these alone.
#include "runtime/params/Checkpoint.h"
#include "runtime/Failure.h"
#include "runtime/device/Element.h"
#include "runtime/params/StorageLayout.h"
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <cmath>
#include <nlohmann/json.hpp>

namespace rt {

static constexpr const char *formatVersion = "1";
static const std::string averageSuffix = ".ema";

static std::string numbers(const std::vector<double> &values) {
  std::string text;
  for (double v : values)
    text += fmt::format("{}{}", text.empty() ? "" : ",", v); // the shortest text that reads back as the same number
  return text;
}

static std::map<std::string, std::string> metadataOf(const Description &d, const TrainingPosition &p) {
  std::map<std::string, std::string> m{{"checkpoint_version", formatVersion},
                                       {"network", d.name},
                                       {"definition_hash", d.hash},
                                       {"source", d.source},
                                       {"compiler", d.compiler},
                                       {"seed", std::to_string(p.seed)},
                                       {"epoch", std::to_string(p.epoch)},
                                       {"step_in_epoch", std::to_string(p.stepInEpoch)},
                                       {"step", std::to_string(p.step)},
                                       {"normalize_mean", numbers(p.mean)},
                                       {"normalize_std", numbers(p.std)}};
  if (p.stepInEpoch) {
    m["epoch_loss_sum"] = fmt::format("{}", p.lossSum);
    m["epoch_correct"] = fmt::format("{}", p.correct);
    if (p.skipped)
      m["epoch_skipped"] = std::to_string(p.skipped);
  }
  if (!p.classNames.empty())
    m["class_names"] = nlohmann::ordered_json(p.classNames).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  if (p.lrFactor != 1)
    m["lr_factor"] = fmt::format("{}", p.lrFactor);
  if (p.bestEpoch && d.train.keep) {
    m["best_metric"] = d.train.keep->metric;
    m["best_value"] = fmt::format("{}", p.best);
    m["best_epoch"] = std::to_string(p.bestEpoch);
  }
  if (p.stopEpoch) {
    m["stop_value"] = fmt::format("{}", p.stopBest);
    m["stop_epoch"] = std::to_string(p.stopEpoch);
  }
  if (p.plateau.epochs) {
    m["plateau_best"] = fmt::format("{}", p.plateau.best);
    m["plateau_epochs"] = std::to_string(p.plateau.epochs);
    m["plateau_bad"] = std::to_string(p.plateau.bad);
    m["plateau_cooling"] = std::to_string(p.plateau.cooling);
    m["plateau_factor"] = fmt::format("{}", p.plateau.factor);
  }
  return m;
}

void writeCheckpoint(const std::string &path, const Description &description, const TensorStore &store,
                     const TrainingPosition &position, const std::vector<void *> *averages) {
  std::vector<AlignedBuffer> logical;
  std::vector<SafetensorsTensor> tensors;
  for (size_t i = 0; i < store.infos().size(); ++i) {
    const TensorInfo &info = store.infos()[i];
    const void *data = store.pointers()[i];
    if (info.storage.filter) {
      logical.emplace_back(store.bytes(i));
      store.readLogical(i, logical.back().data());
      data = logical.back().data();
    }
    tensors.push_back({info.name, dtypeOf(store.elementKind()), info.shape, data});
  }
  for (size_t i = 0; averages && i < averages->size(); ++i)
    if ((*averages)[i]) {
      logical.emplace_back(store.bytes(i));
      toLogical(store.infos()[i], elementBytes(store.elementKind()), (*averages)[i], logical.back().data());
      tensors.push_back({store.infos()[i].name + averageSuffix, dtypeOf(store.elementKind()), store.infos()[i].shape, logical.back().data()});
    }
  writeSafetensors(path, tensors, metadataOf(description, position));
}

template <class T> static T parseNumber(const SafetensorsFile &file, const std::string &key, std::string_view text) {
  T value{};
  bool good = false;
  if constexpr (std::is_floating_point_v<T>) { // from_chars for floats is 25 KB of a program; no locale is ever set
    const std::string copy(text);
    char *end = nullptr;
    value = T(std::strtod(copy.c_str(), &end));
    good = !copy.empty() && !std::isspace(static_cast<unsigned char>(copy[0])) && end == copy.c_str() + copy.size();
  } else {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    good = error == std::errc() && end == text.data() + text.size();
  }
  if (!good)
    fail(Exit::badModel, "{} is damaged: its metadata '{}' is not a number", printable(file.path()), key);
  return value;
}

template <class T> static T number(const SafetensorsFile &file, const char *key) {
  auto it = file.metadata().find(key);
  return it == file.metadata().end() ? T() : parseNumber<T>(file, key, it->second);
}

static std::vector<double> numberList(const SafetensorsFile &file, const char *key, int64_t channels) {
  std::vector<double> values;
  auto it = file.metadata().find(key);
  if (it == file.metadata().end() || it->second.empty())
    return values;
  const std::string &text = it->second;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    values.push_back(parseNumber<double>(file, key, std::string_view(text).substr(begin, end - begin)));
    begin = end + 1;
  }
  if (int64_t(values.size()) != channels)
    fail(Exit::badModel, "{} is damaged: its metadata '{}' has {} numbers for {} channels", printable(file.path()), key, values.size(),
         channels);
  return values;
}

static std::vector<std::string> classNamesOf(const SafetensorsFile &file, int64_t classes) {
  auto it = file.metadata().find("class_names");
  if (it == file.metadata().end())
    return {};
  const auto j = nlohmann::ordered_json::parse(it->second, nullptr, /*allow_exceptions=*/false);
  std::vector<std::string> names;
  if (j.is_array())
    for (const auto &name : j)
      if (name.is_string())
        names.push_back(name);
  if (int64_t(names.size()) != classes || j.size() != names.size())
    fail(Exit::badModel, "{} is damaged: its metadata 'class_names' is not a list of {} names", printable(file.path()), classes);
  return names;
}

static TrainingPosition positionOf(const SafetensorsFile &file, const Description &d) {
  TrainingPosition p;
  p.seed = number<uint64_t>(file, "seed");
  p.epoch = number<uint64_t>(file, "epoch");
  p.stepInEpoch = number<uint64_t>(file, "step_in_epoch");
  p.step = number<uint64_t>(file, "step");
  p.lossSum = number<double>(file, "epoch_loss_sum");
  p.correct = number<double>(file, "epoch_correct");
  p.mean = numberList(file, "normalize_mean", d.channels);
  p.std = numberList(file, "normalize_std", d.channels);
  p.classNames = classNamesOf(file, d.classes);
  if (p.mean.size() != p.std.size())
    fail(Exit::badModel, "{} is damaged: it has a mean without a standard deviation", printable(file.path()));
  p.best = number<double>(file, "best_value");
  p.bestEpoch = number<uint64_t>(file, "best_epoch");
  p.stopBest = number<double>(file, "stop_value");
  p.stopEpoch = number<uint64_t>(file, "stop_epoch");
  p.skipped = number<uint64_t>(file, "epoch_skipped");
  if (file.metadata().count("plateau_epochs"))
    p.plateau = {number<double>(file, "plateau_best"), number<uint64_t>(file, "plateau_epochs"), number<uint64_t>(file, "plateau_bad"),
                 number<uint64_t>(file, "plateau_cooling"), number<double>(file, "plateau_factor")};
  if (file.metadata().count("lr_factor"))
    p.lrFactor = number<double>(file, "lr_factor");
  return p;
}

static std::string lookup(const SafetensorsFile &file, const char *key) {
  auto it = file.metadata().find(key);
  return it == file.metadata().end() ? "" : it->second;
}

/// PyTorch's count of batches, which a batch normalisation of a fixed momentum never reads.
static bool isCount(const std::string &name) {
  const size_t dot = name.rfind('.');
  return dot != std::string::npos && name.substr(dot) == ".num_batches_tracked";
}

/// A tensor that weights alone may bring along: a state of some other optimiser, or such a count.
static bool isState(const std::string &name, const Description &d) {
  const size_t dot = name.rfind('.');
  return dot != std::string::npos && (d.findTensor(name.substr(0, dot)) || isCount(name));
}

static const TensorInfo *averaged(const std::string &name, const Description &d) {
  const size_t n = averageSuffix.size();
  return name.size() > n && name.compare(name.size() - n, n, averageSuffix) == 0 ? d.findTensor(name.substr(0, name.size() - n)) : nullptr;
}

/// Numbers that a tensor of the model can be made of; those of 16 bits are for weights: what a run goes on with is never rounded.
static bool isReadable(Dtype dtype, Need need) {
  return dtype == Dtype::f32 || dtype == Dtype::f64 || (need == Need::weights && (dtype == Dtype::f16 || dtype == Dtype::bf16));
}

/// Takes the tensor of a file as values of the model.
static void take(const SafetensorsFile &file, const SafetensorsEntry &entry, TensorStore &store, size_t i) {
  const void *data = file.data(entry);
  if (entry.dtype != Dtype::f16)
    return store.writeLogical(i, data, entry.dtype == Dtype::f64 ? CNN_F64 : entry.dtype == Dtype::bf16 ? CNN_BF16 : CNN_F32);
  std::vector<float> wide(size_t(store.infos()[i].elements));
  for (size_t k = 0; k < wide.size(); ++k) {
    uint16_t half;
    std::memcpy(&half, static_cast<const char *>(data) + k * sizeof half, sizeof half);
    wide[k] = fromF16(half);
  }
  store.writeLogical(i, wide.data(), CNN_F32);
}

/// Every tensor of the model is there with its shape, and nothing else is.
static void checkTensors(const SafetensorsFile &file, const Description &d, Need need) {
  const std::string other = lookup(file, "network");
  const std::string whose = other.empty() || other == d.name ? "" : fmt::format(" (it belongs to the network {})", printable(other));
  for (const TensorInfo &info : d.tensors) {
    const SafetensorsEntry *entry = file.find(info.name);
    if (!entry && info.kind == TensorKind::state && need == Need::weights)
      continue;
    if (!entry)
      fail(Exit::badModel, "{} is not a checkpoint of {}: it has no tensor {}{}", printable(file.path()), d.name, info.name, whose);
    if (entry->shape != info.shape)
      fail(Exit::badModel, "{} is not a checkpoint of {}: {} has shape {}, the network needs {}{}", printable(file.path()), d.name, info.name,
           shapeText(entry->shape), shapeText(info.shape), whose);
    if (!isReadable(entry->dtype, need))
      fail(Exit::badModel, "{}: {} has dtype {}, F32 or F64 is needed{}", printable(file.path()), info.name, name(entry->dtype),
           need == Need::weights ? ", F16 or BF16 will do" : "");
  }
  for (const SafetensorsEntry &entry : file.entries())
    if (const TensorInfo *info = averaged(entry.name, d)) {
      if (entry.shape != info->shape || !isReadable(entry.dtype, need))
        fail(Exit::badModel, "{} is not a checkpoint of {}: {} has shape {}, the network needs {}{}", printable(file.path()), d.name, printable(entry.name),
             shapeText(entry.shape), shapeText(info->shape), whose);
    } else if (!d.findTensor(entry.name) && !(need == Need::weights && isState(entry.name, d)))
      fail(Exit::badModel, "{} is not a checkpoint of {}: the network has no tensor {}{}", printable(file.path()), d.name,
           printable(entry.name), whose);
}

TrainingPosition readCheckpoint(const std::string &path, const Description &d, TensorStore &store, Need need) {
  const SafetensorsFile file(path);
  checkTensors(file, d, need);
  const std::string version = lookup(file, "checkpoint_version"), crc = lookup(file, "data_crc32"), hash = lookup(file, "definition_hash");
  if (!version.empty() && version != formatVersion)
    fail(Exit::badModel, "{} has checkpoint version {}, this program reads version {}", printable(path), printable(version), formatVersion);
  if (!crc.empty() && crc != fmt::format("{:08x}", file.checksum()))
    fail(Exit::badModel, "{} is damaged: the checksum of its data is not the one that it states", printable(path));
  if (need == Need::everything && hash != d.hash)
    fail(Exit::badModel, "{} was made by another definition of {} (hash {}, this program has {}); train without --resume, or compile the definition that made it",
         printable(path), d.name, hash.empty() ? "none" : printable(hash), d.hash);
  for (size_t i = 0; i < d.tensors.size(); ++i) {
    const SafetensorsEntry *entry = need == Need::weights ? file.find(d.tensors[i].name + averageSuffix) : nullptr;
    if (entry || (entry = file.find(d.tensors[i].name)))
      take(file, *entry, store, i);
  }
  TrainingPosition position = positionOf(file, d);
  position.otherHash = hash == d.hash ? "" : hash;
  return position;
}

bool readAverages(const std::string &path, const TensorStore &store, const std::vector<void *> &averages) {
  const SafetensorsFile file(path);
  bool any = false;
  for (size_t i = 0; i < averages.size(); ++i) {
    const SafetensorsEntry *entry = file.find(store.infos()[i].name + averageSuffix);
    if (!averages[i] || !entry)
      continue;
    AlignedBuffer logical(store.bytes(i));
    convertElements(file.data(*entry), entry->dtype == Dtype::f64 ? CNN_F64 : CNN_F32, logical.data(), store.elementKind(), store.infos()[i].elements);
    toStored(store.infos()[i], elementBytes(store.elementKind()), logical.data(), averages[i]);
    any = true;
  }
  return any;
}

LoadReport loadMatching(const std::string &path, TensorStore &store, const std::string &scope) {
  const SafetensorsFile file(path);
  LoadReport report;
  const std::vector<bool> wanted = tensorsIn(store.infos(), scope);
  std::vector<std::string> names;
  for (size_t i = 0; i < wanted.size(); ++i) {
    const TensorInfo &info = store.infos()[i];
    if (info.kind == TensorKind::state || !wanted[i])
      continue;
    names.push_back(info.name);
    const SafetensorsEntry *entry = file.find(info.name + averageSuffix);
    if (!entry)
      entry = file.find(info.name);
    if (!entry)
      report.missing.push_back(info.name);
    else if (entry->shape != info.shape || !isReadable(entry->dtype, Need::weights))
      report.misshapen.push_back(fmt::format("{} ({} {}, the network needs {})", info.name, name(entry->dtype), shapeText(entry->shape), shapeText(info.shape)));
    else {
      take(file, *entry, store, i);
      report.loaded.push_back(info.name);
    }
  }
  // Of the file's own: what it says of the scope, and no states of an optimiser.
  auto isTaken = [&](const std::string &name) { return std::any_of(names.begin(), names.end(), [&](const std::string &n) { return isIn(name, n); }); };
  const bool exact = std::any_of(names.begin(), names.end(), [&](const std::string &n) { return isIn(n, scope); });
  auto isOfScope = [&](const std::string &name) { return exact ? isIn(name, scope) : name.compare(0, scope.size(), scope) == 0; };
  for (const SafetensorsEntry &entry : file.entries())
    if (isOfScope(entry.name) && !isTaken(entry.name) && !isCount(entry.name))
      report.unused.push_back(entry.name);
  return report;
}

} // namespace rt
