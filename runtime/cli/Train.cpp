// train: the loop, with its options.
// In: options.  Out: checkpoints.
#include "runtime/cli/Commands.h"
#include "runtime/train/Interrupt.h"
#include "runtime/train/Trainer.h"
#include <charconv>

namespace rt {

static bool smallerIsBetter(const std::string &metric) { return metric.size() >= 4 && metric.compare(metric.size() - 4, 4, "loss") == 0; }

/// What the command line changes of the `train` block.
static void override(Description &d, const Options &o) {
  if (o.lr > 0)
    d.train.lr = o.lr;
  if (o.keep == "none")
    d.train.keep.reset();
  else if (!o.keep.empty())
    d.train.keep = KeepRule{o.keep, !smallerIsBetter(o.keep)};
  if (o.stop == "none")
    d.train.stop.reset();
  else if (!o.stop.empty()) {
    const size_t colon = o.stop.find(':');
    int64_t epochs = 0;
    if (colon != std::string::npos)
      std::from_chars(o.stop.data() + colon + 1, o.stop.data() + o.stop.size(), epochs);
    if (epochs < 1)
      fail(Exit::usage, "--stop takes PART.METRIC:EPOCHS, e.g. val.loss:5, or none; it was given '{}'", printable(o.stop));
    d.train.stop = StopRule{o.stop.substr(0, colon), epochs};
  }
  if (!o.load.empty())
    d.train.load.clear();
  if (!o.load.empty() && o.load != "none")
    d.train.load.push_back({o.load, o.only, ""});
  if (!o.freeze.empty())
    d.train.freeze.clear();
  for (size_t begin = 0; !o.freeze.empty() && o.freeze != "none" && begin <= o.freeze.size();) {
    const size_t end = std::min(o.freeze.find(',', begin), o.freeze.size());
    d.train.freeze.push_back(o.freeze.substr(begin, end - begin));
    begin = end + 1;
  }
}

int runTrain(const cnn_model &model, const Options &o) {
  Description d = parseDescription(model);
  override(d, o);
  TrainOptions options;
  options.data = o.data;
  options.checkpoint = o.checkpoint.empty() ? "checkpoints/" + d.name : o.checkpoint;
  options.epochs = o.epochs ? o.epochs : uint64_t(std::max<int64_t>(1, d.train.epochs));
  options.stopAfter = o.stopAfter;
  options.seed = o.seed;
  options.resume = o.resume;
  options.json = o.json;
  options.lrFactor = o.lrFactor;
  options.ema = o.ema;
  options.limitBatches = o.limitBatches;
  options.overfit = o.overfit;
  options.maxSeconds = o.maxSeconds;
  options.onNan = o.onNan == "skip" ? TrainOptions::OnNan::skip : o.onNan == "rollback" ? TrainOptions::OnNan::rollback : TrainOptions::OnNan::stop;
  if (o.fastDevRun) {
    options.dry = true;
    options.epochs = 1;
    options.limitBatches = 2;
  }
  options.read = readOptions(o);
  options.logDirectory = o.logDirectory;
  catchSignals();
  Program program(model, d, o.threads);
  return Trainer(program, options).run();
}

} // namespace rt
