// What is counted over a set of samples.
// In: logits and labels, in order.  Out: sums in double, so that they are the same for any number of threads.
#include "runtime/train/Metrics.h"
#include "runtime/device/Element.h"
#include <algorithm>
#include <cmath>

namespace rt {

void softmax(double *z, int64_t K) {
  const double all = logSumExp(z, K);
  for (int64_t k = 0; k < K; ++k)
    z[k] = std::exp(z[k] - all);
}

void Tally::add(const void *logits, uint32_t kind, const int32_t *labels, int64_t n) {
  std::vector<double> z(static_cast<size_t>(classes));
  for (int64_t i = 0; i < n; ++i) {
    withElement(kind, [&](auto zero) {
      const auto *row = static_cast<const decltype(zero) *>(logits) + i * classes;
      std::copy(row, row + classes, z.begin());
    });
    const int32_t label = labels[i];
    const int64_t predicted = std::max_element(z.begin(), z.end()) - z.begin();
    // The label's rank: classes above it, and equal ones before it.
    int64_t rank = 0;
    for (int64_t k = 0; k < classes; ++k)
      rank += z[k] > z[label] || (z[k] == z[label] && k < label);
    const LossShare share = lossOf.of(z.data(), label);
    lossSum += share.loss;
    weightSum += share.weight;
    correct += predicted == label;
    inTop5 += rank < 5;
    ++confusion[size_t(label * classes + predicted)];
    ++count;
    const double confidence = std::exp(z[predicted] - logSumExp(z.data(), classes));
    if (std::isfinite(confidence)) {
      ConfidenceBin &bin = bins[std::min(confidenceBins - 1, size_t(confidence * double(confidenceBins)))];
      ++bin.count;
      bin.correct += predicted == label;
      bin.confidence += confidence;
    }
  }
}

std::vector<ClassScore> Tally::scores() const {
  std::vector<ClassScore> scores(static_cast<size_t>(classes));
  for (int64_t k = 0; k < classes; ++k) {
    int64_t predicted = 0;
    ClassScore &score = scores[size_t(k)];
    for (int64_t j = 0; j < classes; ++j) {
      score.support += confusion[size_t(k * classes + j)];
      predicted += confusion[size_t(j * classes + k)];
    }
    const double hits = double(confusion[size_t(k * classes + k)]);
    score.precision = predicted ? hits / double(predicted) : 0;
    score.recall = score.support ? hits / double(score.support) : 0;
    score.f1 = hits > 0 ? 2 * score.precision * score.recall / (score.precision + score.recall) : 0;
  }
  return scores;
}

double Tally::calibrationError() const {
  double sum = 0;
  for (const ConfidenceBin &bin : bins)
    sum += std::abs(double(bin.correct) - bin.confidence);
  return count ? sum / double(count) : 0;
}

double countCorrect(const void *logits, uint32_t kind, const Batch &batch, int64_t n, int64_t classes) {
  return withElement(kind, [&](auto zero) {
    double correct = 0;
    for (int64_t i = 0; i < n; ++i) {
      const auto *row = static_cast<const decltype(zero) *>(logits) + i * classes;
      const int64_t predicted = std::max_element(row, row + classes) - row;
      const double share = double(batch.mix.as<decltype(zero)>()[i]);
      correct += share * (predicted == batch.labels.as<int32_t>()[i]) + (1 - share) * (predicted == batch.secondLabels.as<int32_t>()[i]);
    }
    return correct;
  });
}

} // namespace rt
