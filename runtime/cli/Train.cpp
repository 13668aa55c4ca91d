// train: the loop, with its options.
// In: options.  Out: checkpoints.
#include "runtime/cli/Commands.h"
#include "runtime/train/Interrupt.h"
#include "runtime/train/Trainer.h"

namespace rt {

int runTrain(const cnn_model &model, const Options &o) {
  const Description d = parseDescription(model);
  TrainOptions options;
  options.data = o.data;
  options.checkpoint = o.checkpoint.empty() ? "checkpoints/" + d.name : o.checkpoint;
  options.epochs = o.epochs ? o.epochs : uint64_t(std::max<int64_t>(1, d.train.epochs));
  options.stopAfter = o.stopAfter;
  options.seed = o.seed;
  options.resume = o.resume;
  options.json = o.json;
  options.logDirectory = o.logDirectory;
  catchSignals();
  Program program(model, d, o.threads);
  return Trainer(program, options).run();
}

} // namespace rt
