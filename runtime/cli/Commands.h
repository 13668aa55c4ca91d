// The trainer's commands: one function and one file each.
// In: the model and the parsed command line.  Out: an exit status; failures are thrown.
#pragma once
#include "runtime/abi.h"
#include "runtime/data/Dataset.h"
#include "runtime/params/Description.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rt {

struct Options {
  std::string command;
  int threads = 1;
  bool json = false, resume = false;
  std::string data, checkpoint; ///< train: a directory; eval, predict, export: a file
  uint64_t epochs = 0, stopAfter = 0;
  std::optional<uint64_t> seed;
  std::string part; ///< default: test; of `data`: train
  std::vector<std::string> images;
  int top = 3;
  std::string what = "train", in, out, mode = "train";
  int64_t batch = 0;
  double seconds = 8;
  uint64_t cacheMib = 0;
  bool cacheGiven = false;
  int64_t maxBad = 0;
  int64_t show = 16, steps = 100;
  double from = 1e-6, to = 1;
  double lr = 0, lrFactor = 1, ema = 0, maxSeconds = 0;
  int64_t limitBatches = 0, overfit = 0;
  bool fastDevRun = false;
  std::string keep, stop, load, only, onNan = "stop";
  // profile
  std::string trace;
  size_t kernels = 12;
  // export
  bool noFold = false, normalize = false;
  // predict
  std::string format = "text";
  // train
  std::string logDirectory;
  // check-gradients
  int samples = 6;
  double tolerance = 1e-5;
  uint64_t checkSeed = 1;
};

int runTrain(const cnn_model &model, const Options &options);
int runEval(const cnn_model &model, const Options &options);
int runPredict(const cnn_model &model, const Options &options);
int runInfo(const cnn_model &model, const Options &options);
int runBench(const cnn_model &model, const Options &options);
int runProbe(const cnn_model &model, const Options &options);
int runData(const cnn_model &model, const Options &options);
int runLrFind(const cnn_model &model, const Options &options);

/// How the options ask for data to be read.
ReadOptions readOptions(const Options &options);
int runProfile(const cnn_model &model, const Options &options);
int runCheckGradients(const cnn_model &model, const Options &options);
int runReport(const cnn_model &model, const Options &options);
int runExport(const cnn_model &model, const Options &options);

} // namespace rt
namespace CLI {
class App;
}
namespace rt {

/// The options of profile, check-gradients, report and export.
void addResultCommands(CLI::App &app, Options &options, const Description &description);

/// Parses the command line and runs the command; the whole of the trainer's main.
int runTrainer(const cnn_model &model, int argc, char **argv);

} // namespace rt
