// The network's own loss of one sample, in f64: what evaluation reports.
// In: logits z (K), a label.  Out: two sums' shares; their quotient over a set is PyTorch's mean over it.
#pragma once
#include "runtime/params/Description.h"

namespace rt {

/// log sum_k exp z_k, shifted by the largest logit.
double logSumExp(const double *logits, int64_t classes);

struct LossShare {
  double loss;   ///< of the sample, times its weight
  double weight; ///< 1 but for class weights
};

class Loss {
public:
  /// Fails with Exit::badModel on a kind that this runtime does not know.
  Loss(const LossInfo &info, int64_t classes);
  LossShare of(const double *logits, int32_t label) const;

private:
  LossInfo info;
  int64_t classes;
  double (Loss::*formula)(const double *, int32_t) const;

  double argument(const char *name, double otherwise) const;
  double crossEntropy(const double *z, int32_t label) const;
  double mse(const double *z, int32_t label) const;
  double mae(const double *z, int32_t label) const;
  double huber(const double *z, int32_t label) const;
  double bce(const double *z, int32_t label) const;
  double focal(const double *z, int32_t label) const;
  double hinge(const double *z, int32_t label) const;
};

} // namespace rt
