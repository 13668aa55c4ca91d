// What is counted over a set of samples: loss, accuracy, top-5, confusions.
// In: logits and labels.  Out: sums, and the numbers made of them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace rt {

/// -sum_k q_k log softmax(z)_k with q = (1 - s) onehot(label) + s/K: PyTorch's CrossEntropyLoss(label_smoothing=s) of one sample.
double crossEntropy(const double *logits, int64_t classes, int32_t label, double smoothing);
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
  Tally(int64_t classes, double smoothing) : classes(classes), smoothing(smoothing), confusion(size_t(classes * classes)) {}
  /// `logits`: n rows, element kind as in abi.h.
  void add(const void *logits, uint32_t elementKind, const int32_t *labels, int64_t n);
  double loss() const { return count ? lossSum / double(count) : 0; }
  double accuracy() const { return count ? double(correct) / double(count) : 0; }
  double top5() const { return count ? double(inTop5) / double(count) : 0; }
  std::vector<ClassScore> scores() const;
  /// Expected calibration error (Guo et al. 2017, equation 3): the mean over samples of |accuracy - confidence| of their bin.
  double calibrationError() const;

  int64_t classes, count = 0, correct = 0, inTop5 = 0;
  double smoothing, lossSum = 0;
  ConfidenceBin bins[confidenceBins];
  std::vector<int64_t> confusion; ///< [label][prediction]
};

/// How many rows have their largest logit at the label; the first of equals counts.
int64_t countCorrect(const void *logits, uint32_t elementKind, const int32_t *labels, int64_t n, int64_t classes);

} // namespace rt
