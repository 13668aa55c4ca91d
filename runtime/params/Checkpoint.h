// Checkpoints: tensors, and where training stands, in one safetensors file.
// In: a store and a training position.  Out: a file; and back, checked against the model that reads it.
#pragma once
#include "runtime/params/Safetensors.h"
#include "runtime/params/TensorStore.h"

namespace rt {

/// What a plateau rule has seen.
struct PlateauState {
  double best = 0; ///< of its metric; none yet where epochs is 0
  uint64_t epochs = 0, bad = 0, cooling = 0; ///< seen; in a row without a better one; of the cooldown still to come
  double factor = 1; ///< of the learning rate
};

/// Where training stands.  Nothing in it depends on time, machine or number of threads.
struct TrainingPosition {
  uint64_t seed = 0;
  uint64_t epoch = 0;       ///< epochs completed
  uint64_t stepInEpoch = 0; ///< steps done in the epoch that follows
  uint64_t step = 0;        ///< steps done in all
  double lossSum = 0;       ///< over the samples of the epoch under way
  double correct = 0;       ///< of them; mixed samples count in part
  std::vector<double> mean, std; ///< the normalisation in use, one number a channel; empty: v/255
  std::vector<std::string> classNames; ///< of the training data, where they have names
  double best = 0;          ///< of the metric that `keep` names; no best yet where bestEpoch is 0
  uint64_t bestEpoch = 0;
  double stopBest = 0; ///< of the metric that `stop` names
  uint64_t stopEpoch = 0;
  uint64_t skipped = 0;  ///< steps of the epoch under way that were passed over, their loss not being finite
  PlateauState plateau;
  double lrFactor = 1;   ///< below 1 after returns to a checkpoint
  std::string otherHash; ///< of the definition that wrote the file, where it is not this one; never written
};

/// `averages`: null, or the averaged values of each tensor in storage layout (null for some): they stand as NAME.ema.
void writeCheckpoint(const std::string &path, const Description &description, const TensorStore &store,
                     const TrainingPosition &position, const std::vector<void *> *averages = nullptr);

enum class Need { weights, everything };

/// Fills the store.  `Need::everything` (for resuming) asks for the optimiser's states and the same definition too; `Need::weights` takes any
/// file whose tensors fit, e.g. one that PyTorch wrote, and prefers averaged weights (NAME.ema) where they are there.  Fails with Exit::badModel, naming the first difference.
TrainingPosition readCheckpoint(const std::string &path, const Description &description, TensorStore &store, Need need);

/// Fills the averages from NAME.ema; false where the file has none.
bool readAverages(const std::string &path, const TensorStore &store, const std::vector<void *> &averages);

struct LoadReport {
  std::vector<std::string> loaded, missing, misshapen, unused; ///< names: the network's; the same with both shapes; the file's
};
/// For fine-tuning: takes every weight and running statistic of `scope` (tensorsIn) that fits; the others keep their values.
LoadReport loadMatching(const std::string &path, TensorStore &store, const std::string &scope);

} // namespace rt
