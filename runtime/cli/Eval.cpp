// eval: what a checkpoint is worth on a part of the data.
// In: a checkpoint.  Out: accuracy, top-5, loss, calibration, a table of classes, the confusion matrix; text or one line of JSON.
#include "runtime/Failure.h"
#include "runtime/cli/Commands.h"
#include "runtime/params/Checkpoint.h"
#include "runtime/train/Evaluate.h"
#include <nlohmann/json.hpp>

namespace rt {

using Json = nlohmann::ordered_json;

static void printJson(const Description &d, const Options &o, const Tally &t) {
  Json classes = Json::array(), confusion = Json::array();
  const auto scores = t.scores();
  for (int64_t k = 0; k < d.classes; ++k) {
    const ClassScore &s = scores[size_t(k)];
    classes.push_back({{"name", d.className(k)}, {"support", s.support}, {"precision", s.precision}, {"recall", s.recall}, {"f1", s.f1}});
    confusion.push_back(std::vector<int64_t>(&t.confusion[size_t(k * d.classes)], &t.confusion[size_t(k * d.classes)] + d.classes));
  }
  Json bins = Json::array();
  for (const ConfidenceBin &bin : t.bins)
    bins.push_back({{"count", bin.count}, {"accuracy", bin.count ? double(bin.correct) / double(bin.count) : 0},
                    {"confidence", bin.count ? bin.confidence / double(bin.count) : 0}});
  const Json object{{"network", d.name}, {"part", o.part}, {"samples", t.count}, {"accuracy", t.accuracy()}, {"top5", t.top5()},
                    {"loss", t.loss()}, {"calibration_error", t.calibrationError()}, {"calibration", bins}, {"classes", classes}, {"confusion", confusion}};
  fmt::print("{}\n", object.dump(-1, ' ', false, Json::error_handler_t::replace));
}

static void printText(const Description &d, const Options &o, const Tally &t) {
  fmt::print("{}: {} {} samples\naccuracy {:.4f}  top-5 {:.4f}  loss {:.4f}  calibration error {:.4f}\n\n", d.name, t.count, o.part, t.accuracy(), t.top5(), t.loss(),
             t.calibrationError());
  size_t width = 5;
  for (int64_t k = 0; k < d.classes; ++k)
    width = std::max(width, printable(d.className(k)).size());
  fmt::print("{:<{}}  samples  precision  recall      F1\n", "class", width);
  const auto scores = t.scores();
  for (int64_t k = 0; k < d.classes; ++k) {
    const ClassScore &s = scores[size_t(k)];
    fmt::print("{:<{}}  {:>7}     {:.4f}  {:.4f}  {:.4f}\n", printable(d.className(k)), width, s.support, s.precision, s.recall, s.f1);
  }
  constexpr int64_t widestMatrix = 20;
  if (d.classes > widestMatrix) {
    fmt::print("\n(the confusion matrix of {} classes is in --json)\n", d.classes);
    return;
  }
  fmt::print("\nconfusion matrix: a row is the true class, a column the predicted one\n{:<{}}", "", width);
  for (int64_t k = 0; k < d.classes; ++k)
    fmt::print(" {:>6}", k);
  for (int64_t r = 0; r < d.classes; ++r) {
    fmt::print("\n{:<{}}", printable(d.className(r)), width);
    for (int64_t k = 0; k < d.classes; ++k)
      fmt::print(" {:>6}", t.confusion[size_t(r * d.classes + k)]);
  }
  fmt::print("\n");
}

int runEval(const cnn_model &model, const Options &o) {
  Description d = parseDescription(model);
  Program program(model, d, o.threads);
  const TrainingPosition position = readWeights(o.checkpoint, d, program.tensors);
  // The split is the training run's own, so that eval --split val sees what was held out.
  DataParts parts(d, o.data, o.seed.value_or(position.step ? position.seed : d.train.seed), readOptions(o));
  Normalization normalization{position.mean, position.std};
  if (normalization.mean.empty())
    normalization = chooseNormalization(d, [&] { return parts.get("train"); });
  BatchLoader loader(d, program.elementKind(), normalization);
  const Tally tally = evaluate(program, loader, *parts.get(o.part));
  o.json ? printJson(d, o, tally) : printText(d, o, tally);
  return 0;
}

} // namespace rt
