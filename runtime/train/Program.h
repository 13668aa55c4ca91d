// The generated code together with the memory that it works on.
// In: batches of x and labels.  Out: steps of training, logits.
#pragma once
#include "runtime/data/Prefetch.h"
#include "runtime/device/AlignedBuffer.h"
#include "runtime/device/Launch.h"
#include "runtime/params/TensorStore.h"

namespace rt {

struct StepResult {
  bool finite; ///< false: no tensor has been updated
  double loss; ///< mean over the batch
};

class Program {
public:
  /// Fails with Exit::badModel on a processor that lacks a feature that the code uses; no generated code has run by then.
  Program(const cnn_model &model, const Description &description, int threads);

  const cnn_model &model;
  const Description &description;
  Device device;
  TensorStore tensors;

  uint32_t elementKind() const { return model.element_kind; }
  int64_t batch() const { return model.train_step.batch; }
  /// The batch to be trained on or inferred: (batch,H,W,C) and (batch).
  void *x() const { return batchMemory.x.data(); }
  int32_t *labels() const { return batchMemory.labels.as<int32_t>(); }
  /// Of mixed samples, see Batch.
  int32_t *secondLabels() const { return batchMemory.secondLabels.as<int32_t>(); }
  void *mix() const { return batchMemory.mix.data(); }
  const Batch &given() const { return batchMemory; }
  int64_t capacity() const { return std::max(model.train_step.batch, model.infer.batch); } ///< samples that x() and labels() hold
  /// They become the prefetched batch; gives its number of samples, 0 at the end.
  int64_t take(Prefetch &prefetch) { return prefetch.next(batchMemory); }

  /// One step on x() and labels().  `step` counts from 1.
  StepResult trainStep(double lr, uint64_t step, uint64_t seed);
  /// Runs the same step once more from a clean arena, an observer at every launch.
  void observeTrainStep(LaunchObserver &observer, double lr, uint64_t step, uint64_t seed);
  /// Inference on one sample, an observer at every launch.
  void observeInference(LaunchObserver &observer, const void *sample);
  /// The logits of the last train step, (N,K) in the model's element type.
  const void *trainLogits() const { return arena.bytes() + model.train_step.logits_offset; }
  /// From now on a step leaves all gradients where gradient() finds them; without it many never reach memory.
  void keepGradients();
  /// The gradient of a tensor after the last train step, in storage layout; null where it has none. Needs keepGradients() before the step.
  const void *gradient(size_t tensor) const;

  /// Inference on n samples at `samples` (64-byte aligned), any n; logits get (n, classes) in the model's element type.
  void infer(const void *samples, int64_t n, void *logits);

  /// The learning rate's factor; `epoch` is a real number counted from 0.
  double schedule(double epoch, double epochs) const { return model.schedule ? model.schedule(epoch, epochs) : 1; }
  uint64_t arenaBytes() const { return arena.size; }

private:
  cnn_call callFor(const void *x);
  void needArena(const cnn_function &function);
  void inferOnce(const cnn_function &function, const void *x, int64_t useful, void *logits);
  AlignedBuffer arena, padded, gradients;
  const cnn_function *prepared = nullptr; ///< whose transformed filters stand in the arena
  uint64_t preparedVersion = 0;           ///< of the tensors that they were made of
  bool weightsNearCaches = false;         ///< so small that a part of them stays in the second-level caches from run to run
  Batch batchMemory;
};

} // namespace rt
