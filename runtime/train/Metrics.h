// What is counted over a set of samples: loss, accuracy, top-5, confusions.
// In: logits and labels.  Out: sums, and the numbers made of them.
#pragma once
#include "runtime/data/Batch.h"
#include "runtime/train/Loss.h"
#include <cstdint>
#include <string>
#include <vector>

namespace rt {

/// In place, shifted by the largest logit.
void softmax(double *logits, int64_t classes);

struct ClassScore {
  int64_t support = 0;
  double precision = 0, recall = 0, f1 = 0; ///< 0 where nothing was predicted, or nothing is there
};

/// Predictions whose confidence (the largest probability) falls into one of equal parts of [0,1].
struct ConfidenceBin {
  int64_t count = 0, correct = 0;
  double confidence = 0; ///< summed
};
constexpr size_t confidenceBins = 15; // Guo et al. 2017

class Tally {
public:
  Tally(int64_t classes, const LossInfo &loss) : classes(classes), lossOf(loss, classes), confusion(size_t(classes * classes)) {}
  /// `logits`: n rows, element kind as in abi.h.
  void add(const void *logits, uint32_t elementKind, const int32_t *labels, int64_t n);
  /// The network's own, over all samples as one batch.
  double loss() const { return weightSum > 0 ? lossSum / weightSum : 0; }
  double accuracy() const { return count ? double(correct) / double(count) : 0; }
  double top5() const { return count ? double(inTop5) / double(count) : 0; }
  std::vector<ClassScore> scores() const;
  /// Expected calibration error (Guo et al. 2017, equation 3): the mean over samples of |accuracy - confidence| of their bin.
  double calibrationError() const;

  int64_t classes, count = 0, correct = 0, inTop5 = 0;
  double lossSum = 0, weightSum = 0;
  ConfidenceBin bins[confidenceBins];
  Loss lossOf;
  std::vector<int64_t> confusion; ///< [label][prediction]
};

/// How many rows of a batch have their largest logit at the label (the first of equals counts); of a mixed sample, the share of the label that it
/// is at.  A whole number where nothing is mixed.
double countCorrect(const void *logits, uint32_t elementKind, const Batch &batch, int64_t n, int64_t classes);

} // namespace rt
