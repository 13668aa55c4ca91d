// predict: the likeliest classes of pictures.
// In: a checkpoint and image files.  Out: a line for each, or JSON lines.
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/data/BatchLoader.h"
#include "runtime/data/Image.h"
#include "runtime/device/Element.h"
#include "runtime/params/Checkpoint.h"
#include "runtime/train/Metrics.h"
#include "runtime/train/Program.h"
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

namespace rt {

using Json = nlohmann::ordered_json;

static void print(const Description &d, const Options &o, const std::string &path, const std::vector<double> &p) {
  std::vector<int64_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return p[size_t(a)] > p[size_t(b)]; });
  order.resize(std::min(order.size(), size_t(o.top)));
  Json classes = Json::array();
  std::string text;
  for (int64_t k : order) {
    classes.push_back({{"class", d.className(k)}, {"index", k}, {"probability", p[size_t(k)]}});
    text += fmt::format("{}{} {:.2f} %", text.empty() ? "" : ", ", printable(d.className(k)), 100 * p[size_t(k)]);
  }
  if (o.json)
    fmt::print("{}\n", Json{{"image", path}, {"classes", classes}}.dump(-1, ' ', false, Json::error_handler_t::replace));
  else
    fmt::print("{}: {}\n", printable(path), text);
}

int runPredict(const cnn_model &model, const Options &o) {
  const Description d = parseDescription(model);
  if (d.channels != 1 && d.channels != 3)
    fail(Exit::badData, "pictures have 1 or 3 channels, the network's input has {}", d.channels);
  Program program(model, d, o.threads);
  const TrainingPosition position = readCheckpoint(o.checkpoint, d, program.tensors, Need::weights);
  Normalization normalization{position.mean, position.std};
  if (normalization.mean.empty())
    normalization = chooseNormalization(d, [&] { return DataParts(d, o.data, d.train.seed).get("train"); });
  BatchLoader loader(d, program.elementKind(), normalization, program.device.pool);
  const int64_t K = d.classes;
  const size_t image = size_t(d.imageElements()) * elementBytes(program.elementKind());
  const int64_t batch = model.infer.batch;
  AlignedBuffer logits(size_t(K * batch) * elementBytes(program.elementKind()));
  int status = 0;
  for (size_t first = 0; first < o.images.size(); first += size_t(batch)) {
    // A picture that cannot be read is named, the others are classified, and the exit status tells.
    std::vector<std::string> good;
    for (size_t i = first; i < std::min(first + size_t(batch), o.images.size()); ++i) {
      try {
        const Image picture = fitted(readImage(o.images[i]), d);
        loader.convert(picture.pixels.data(), static_cast<char *>(program.x()) + good.size() * image);
        good.push_back(o.images[i]);
      } catch (const Failure &failure) {
        fmt::print(stderr, "error: {}\n", failure.what());
        status = int(failure.status);
      }
    }
    program.infer(program.x(), int64_t(good.size()), logits.data());
    std::vector<double> p(good.size() * size_t(K));
    convertElements(logits.data(), program.elementKind(), p.data(), CNN_F64, int64_t(p.size()));
    for (size_t i = 0; i < good.size(); ++i) {
      softmax(&p[i * size_t(K)], K);
      print(d, o, good[i], std::vector<double>(&p[i * size_t(K)], &p[i * size_t(K)] + K));
    }
  }
  return status;
}

} // namespace rt
