// The losses of compiler/transforms/Loss.cpp once more, of one sample: z logits, t = [k == label].
// In: logits (K), a label.  Out: the sample's loss; sums over k in the order of k.
#include "runtime/train/Loss.h"
#include "runtime/Failure.h"
#include <algorithm>
#include <cmath>

namespace rt {

double logSumExp(const double *z, int64_t K) {
  const double top = *std::max_element(z, z + K);
  double sum = 0;
  for (int64_t k = 0; k < K; ++k)
    sum += std::exp(z[k] - top);
  return top + std::log(sum);
}

Loss::Loss(const LossInfo &info, int64_t classes) : info(info), classes(classes), formula(nullptr) {
  const std::pair<const char *, double (Loss::*)(const double *, int32_t) const> known[] = {
      {"cross_entropy", &Loss::crossEntropy}, {"mse", &Loss::mse},     {"mae", &Loss::mae},    {"huber", &Loss::huber},
      {"bce", &Loss::bce},                    {"focal", &Loss::focal}, {"hinge", &Loss::hinge}};
  for (auto &[name, of] : known)
    if (info.kind == name)
      formula = of;
  if (!formula)
    fail(Exit::badModel, "this runtime has no loss '{}'", printable(info.kind));
  if (!info.weights.empty() && int64_t(info.weights.size()) != classes)
    fail(Exit::badModel, "the model's loss has {} class weights for {} classes", info.weights.size(), classes);
}

LossShare Loss::of(const double *z, int32_t label) const {
  return {(this->*formula)(z, label), info.weights.empty() ? 1 : info.weights[size_t(label)]};
}

double Loss::argument(const char *name, double otherwise) const {
  auto it = info.args.find(name);
  return it == info.args.end() ? otherwise : it->second;
}

// -sum_k w_k T_k log softmax(z)_k, T = (1-s) t + s/K
double Loss::crossEntropy(const double *z, int32_t label) const {
  const double all = logSumExp(z, classes), s = info.smoothing;
  auto weight = [&](int64_t k) { return info.weights.empty() ? 1 : info.weights[size_t(k)]; };
  double loss = (1 - s) * weight(label) * (all - z[label]);
  if (s > 0)
    for (int64_t k = 0; k < classes; ++k)
      loss += s / double(classes) * weight(k) * (all - z[k]);
  return loss;
}

/// sum_k f(z_k, t_k) / K
template <class F> static double meanOver(const double *z, int64_t K, int32_t label, const F &f) {
  double sum = 0;
  for (int64_t k = 0; k < K; ++k)
    sum += f(z[k], k == label ? 1.0 : 0.0);
  return sum / double(K);
}

double Loss::mse(const double *z, int32_t label) const {
  return meanOver(z, classes, label, [](double z, double t) { return (z - t) * (z - t); });
}

double Loss::mae(const double *z, int32_t label) const {
  return meanOver(z, classes, label, [](double z, double t) { return std::abs(z - t); });
}

// d^2/2 where |d| <= delta, delta (|d| - delta/2) beyond: HuberLoss
double Loss::huber(const double *z, int32_t label) const {
  const double delta = argument("delta", 1);
  return meanOver(z, classes, label, [=](double z, double t) {
    const double d = std::abs(z - t);
    return d <= delta ? d * d / 2 : delta * (d - delta / 2);
  });
}

// log(1 + e^z) - t z: BCEWithLogitsLoss
double Loss::bce(const double *z, int32_t label) const {
  return meanOver(z, classes, label, [](double z, double t) { return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))) - t * z; });
}

// -(1-p)^gamma log p, p = softmax(z)[label]: Lin, Goyal, Girshick, He, Dollar 2017, equation 4
double Loss::focal(const double *z, int32_t label) const {
  const double logp = z[label] - logSumExp(z, classes);
  return -std::pow(-std::expm1(logp), argument("gamma", 2)) * logp;
}

// sum over k != label of max(0, margin - z[label] + z[k]) / K: MultiMarginLoss
double Loss::hinge(const double *z, int32_t label) const {
  const double margin = argument("margin", 1);
  return meanOver(z, classes, label, [&](double zk, double t) { return t > 0 ? 0 : std::max(0.0, margin - z[label] + zk); });
}

} // namespace rt
