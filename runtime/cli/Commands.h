// The trainer's commands: one function and one file each.
// In: the model and the parsed command line.  Out: an exit status; failures are thrown.
#pragma once
#include "runtime/abi.h"
#include "runtime/data/Dataset.h"
#include "runtime/params/Checkpoint.h"
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace rt {

class Program;
struct Image;

struct Options {
  std::string command;
  int threads = 1;
  bool json = false, resume = false, once = false;
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
  std::string keep, stop, load, only, freeze, onNan = "stop";
  // profile
  std::string trace;
  size_t kernels = 12;
  // export
  bool noFold = false, normalize = false;
  // predict
  std::string format = "text", explain;
  /// Set where --explain-image is offered, so that a program without it does not link it.
  void (*explainWith)(const std::string &path, Program &program, const Image &picture, const void *x, int64_t classIndex) = nullptr;
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

/// The checkpoint that a command is to look at; says where it is of another definition.
TrainingPosition readWeights(const std::string &path, Description &description, TensorStore &store);
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

/// Runs a command; a failure becomes a message and its exit status.
int guarded(const std::function<int()> &command);

/// Parses the command line and runs the command; the whole of the trainer's main.
int runTrainer(const cnn_model &model, int argc, char **argv);

} // namespace rt
