// The training loop: epochs, learning rate, metrics, checkpoints.
// In: a program, its data, options.  Out: checkpoints in a directory, and an exit status.
#pragma once
#include "runtime/data/BatchLoader.h"
#include "runtime/params/AtomicFile.h"
#include "runtime/params/Checkpoint.h"
#include "runtime/train/Average.h"
#include "runtime/train/Evaluate.h"
#include "runtime/train/Freeze.h"
#include "runtime/train/History.h"
#include "runtime/train/Progress.h"

namespace rt {

struct TrainOptions {
  std::string data;              ///< overrides the data block's root; empty: does not
  std::string checkpoint;        ///< directory
  uint64_t epochs = 0;           ///< in all, over every resumption; what the schedule counts
  uint64_t stopAfter = 0;        ///< epochs in this run; 0: no such limit
  std::optional<uint64_t> seed;  ///< otherwise the model's, or the checkpoint's
  bool resume = false, json = false;
  ReadOptions read;
  double lrFactor = 1;           ///< on top of the schedule
  double ema = 0;                ///< decay of the average of weights; 0: none
  int64_t limitBatches = 0;      ///< of an epoch and of each evaluation; 0: all
  int64_t overfit = 0;           ///< train on the first so many batches, always the same, unchanged; 0: no
  double maxSeconds = 0;         ///< then save and end; 0: no limit
  bool dry = false;              ///< no file is written
  enum class OnNan { stop, skip, rollback } onNan = OnNan::stop;
  std::string logDirectory; ///< of TensorBoard's event files; empty: none
};

class Trainer {
public:
  Trainer(Program &program, const TrainOptions &options);
  /// Returns an exit status: 0, or 128 + signal.  Failures are thrown; an output that cannot be written is one only when all is done.
  int run();

private:
  int runAll();
  enum class Ended { epoch, interrupted, outOfTime, rolledBack };
  void prepare();
  Ended runEpoch();
  EpochReport measure();
  bool noteBest(EpochReport &report);
  bool stopsEarly(const EpochReport *report);
  void save(const char *file);
  int interrupted();
  void finish();
  /// Says where it began; ends the run, or gives true for a step that is passed over and false for a return to the last checkpoint.
  bool notFinite(double lr, double loss);
  void rollBack();
  void noteEmptyClasses();
  void startAverage(bool resumed);
  bool outOfTime() const;
  void resetEpoch();
  double seenSamples(int64_t batchesDone) const { return double((batchesDone - int64_t(position.skipped)) * program.batch()); }
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
  std::unique_ptr<Average> average;
  std::unique_ptr<Freeze> frozen;
  std::unique_ptr<History> history;
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  int rollbacks = 0;
  int64_t skippedInRow = 0;
  TrainingPosition position;
  int64_t batches = 0;
  uint64_t epochsHere = 0;
  double epochSeconds = 0, waitSeconds = 0; ///< of the epoch; the second is the part in which the step waited for data
  double secondsTotal = 0, waitTotal = 0;   ///< of this run
  int64_t stepsHere = 0; ///< of this epoch, in this run
};

} // namespace rt
