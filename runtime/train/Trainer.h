// The training loop: epochs, learning rate, metrics, checkpoints.
// In: a program, its data, options.  Out: checkpoints in a directory, and an exit status.
#pragma once
#include "runtime/data/BatchLoader.h"
#include "runtime/params/AtomicFile.h"
#include "runtime/params/Checkpoint.h"
#include "runtime/train/Evaluate.h"
#include "runtime/train/Progress.h"

namespace rt {

struct TrainOptions {
  std::string data;              ///< overrides the data block's root; empty: does not
  std::string checkpoint;        ///< directory
  uint64_t epochs = 0;           ///< in all, over every resumption; what the schedule counts
  uint64_t stopAfter = 0;        ///< epochs in this run; 0: no such limit
  std::optional<uint64_t> seed;  ///< otherwise the model's, or the checkpoint's
  bool resume = false, json = false;
  std::string logDirectory; ///< of TensorBoard's event files; empty: none
};

class Trainer {
public:
  Trainer(Program &program, const TrainOptions &options);
  /// Returns an exit status: 0, or 128 + signal.  Failures are thrown.
  int run();

private:
  enum class Ended { epoch, interrupted };
  void prepare();
  Ended runEpoch();
  EpochReport measure();
  bool noteBest(EpochReport &report);
  bool stopsEarly(const EpochReport *report);
  void save(const char *file);
  int interrupted();
  void finish();
  [[noreturn]] void notFinite(double lr, double loss);
  double learningRate(int64_t batchInEpoch) const;
  std::string path(const char *file) const { return options.checkpoint + "/" + file; }

  Program &program;
  const Description &d;
  TrainOptions options;
  Progress progress;
  std::unique_ptr<DirectoryLock> lock;
  std::unique_ptr<DataParts> parts;
  std::shared_ptr<const Dataset> train, val, testEachEpoch;
  std::unique_ptr<BatchLoader> loader;
  std::unique_ptr<Augment> augment;
  TrainingPosition position;
  int64_t batches = 0;
  uint64_t epochsHere = 0;
  double epochSeconds = 0;
  int64_t stepsHere = 0; ///< of this epoch, in this run
};

} // namespace rt
