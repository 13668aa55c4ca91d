// predict: the likeliest classes of pictures.
// In: a checkpoint; image files, folders, or a list on stdin.  Out: a line for each, JSON lines or CSV.
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/data/BatchLoader.h"
#include "runtime/data/Folder.h"
#include "runtime/data/Image.h"
#include "runtime/device/Element.h"
#include "runtime/params/Checkpoint.h"
#include "runtime/train/Metrics.h"
#include "runtime/train/Program.h"
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>

namespace rt {

using Json = nlohmann::ordered_json;

/// A field of RFC 4180.
static std::string csvField(const std::string &text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos)
    return text;
  std::string quoted = "\"";
  for (char c : text)
    quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

static void print(const Description &d, const Options &o, const std::string &path, const std::vector<double> &p) {
  std::vector<int64_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return p[size_t(a)] > p[size_t(b)]; });
  order.resize(std::min(order.size(), size_t(o.top)));
  Json classes = Json::array();
  std::string text;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const int64_t k = order[rank];
    const double probability = p[size_t(k)];
    if (o.format == "csv")
      fmt::print("{},{},{},{},{:.6g}\n", csvField(path), rank + 1, k, csvField(d.className(k)), probability);
    classes.push_back({{"class", d.className(k)}, {"index", k}, {"probability", probability}});
    text += fmt::format("{}{} {:.2f} %", text.empty() ? "" : ", ", printable(d.className(k)), 100 * probability);
  }
  if (o.json || o.format == "json")
    fmt::print("{}\n", Json{{"image", path}, {"classes", classes}}.dump(-1, ' ', false, Json::error_handler_t::replace));
  else if (o.format == "text")
    fmt::print("{}: {}\n", printable(path), text);
}

/// Folders become the pictures in and below them, sorted by name; "-" the lines of stdin.
static std::vector<std::string> picturesOf(const std::vector<std::string> &words) {
  std::vector<std::string> paths;
  for (const std::string &word : words) {
    if (word == "-") {
      char *line = nullptr; // of getline(3): streams would bring the locales along
      size_t room = 0;
      for (ssize_t length; (length = ::getline(&line, &room, stdin)) >= 0;) {
        const std::string path(line, size_t(length - (length > 0 && line[length - 1] == '\n')));
        if (!path.empty())
          paths.push_back(path);
      }
      std::free(line);
      if (paths.empty())
        fail(Exit::badData, "standard input has no path of a picture; a line for each is needed");
      continue;
    }
    if (!isFolder(word)) {
      paths.push_back(word);
      continue;
    }
    const std::vector<std::string> found = picturesBelow(word);
    if (found.empty())
      fail(Exit::badData, "the folder {} has no .png, .jpg, .jpeg or .webp files", printable(word));
    paths.insert(paths.end(), found.begin(), found.end());
  }
  return paths;
}

static void explain(const Options &o, Program &program, const BatchLoader &loader, const std::string &path, int64_t classIndex) {
  const Image picture = fitted(readImage(path), program.description);
  AlignedBuffer x(loader.sampleBytes());
  loader.convert(picture.pixels.data(), x.data());
  o.explainWith(o.explain, program, picture, x.data(), classIndex);
}

int runPredict(const cnn_model &model, const Options &o) {
  Description d = parseDescription(model);
  if (d.channels != 1 && d.channels != 3)
    fail(Exit::badData, "pictures have 1 or 3 channels, the network's input has {}", d.channels);
  const std::vector<std::string> images = picturesOf(o.images);
  if (!o.explain.empty() && images.size() != 1)
    fail(Exit::usage, "--explain-image explains one picture, {} were given", images.size());
  Program program(model, d, o.threads);
  const TrainingPosition position = readWeights(o.checkpoint, d, program.tensors);
  Normalization normalization{position.mean, position.std};
  if (normalization.mean.empty())
    normalization = chooseNormalization(d, [&] { return DataParts(d, o.data, d.train.seed).get("train"); });
  BatchLoader loader(d, program.elementKind(), normalization);
  const int64_t K = d.classes;
  const size_t image = size_t(d.imageElements()) * elementBytes(program.elementKind());
  const int64_t batch = model.infer.batch;
  AlignedBuffer logits(size_t(K * batch) * elementBytes(program.elementKind()));
  int status = 0;
  if (o.format == "csv")
    fmt::print("image,rank,index,class,probability\n");
  for (size_t first = 0; first < images.size(); first += size_t(batch)) {
    // A picture that cannot be read is named, the others are classified, and the exit status tells.
    std::vector<std::string> good;
    for (size_t i = first; i < std::min(first + size_t(batch), images.size()); ++i) {
      try {
        const Image picture = fitted(readImage(images[i]), d);
        loader.convert(picture.pixels.data(), static_cast<char *>(program.x()) + good.size() * image);
        good.push_back(images[i]);
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
      if (!o.explain.empty())
        explain(o, program, loader, images[0], std::max_element(&p[i * size_t(K)], &p[i * size_t(K)] + K) - &p[i * size_t(K)]);
      print(d, o, good[i], std::vector<double>(&p[i * size_t(K)], &p[i * size_t(K)] + K));
    }
  }
  return status;
}

} // namespace rt
