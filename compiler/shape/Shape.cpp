// The feature-map formula of Shape.h.
// In: the numbers of one axis.  Out: output side, padding, rows that no window reads.
#include "compiler/shape/Shape.h"

#include <algorithm>

namespace cnnc::shape {

std::optional<int64_t> product(int64_t a, int64_t b) {
  int64_t r;
  if (__builtin_mul_overflow(a, b, &r))
    return std::nullopt;
  return r;
}

std::optional<int64_t> product(int64_t a, int64_t b, int64_t c) {
  auto ab = product(a, b);
  return ab ? product(*ab, c) : std::nullopt;
}

std::optional<int64_t> effectiveKernel(int64_t K, int64_t D) {
  int64_t km1, r;
  if (__builtin_sub_overflow(K, int64_t(1), &km1) || __builtin_mul_overflow(D, km1, &r) ||
      __builtin_add_overflow(r, int64_t(1), &r))
    return std::nullopt;
  return r;
}

std::optional<int64_t> outputSideUnchecked(int64_t W, int64_t K, int64_t S, int64_t Pb, int64_t Pa, int64_t D) {
  auto Keff = effectiveKernel(K, D);
  int64_t span;
  if (!Keff || S < 1 || __builtin_sub_overflow(W, *Keff, &span) || __builtin_add_overflow(span, Pb, &span) ||
      __builtin_add_overflow(span, Pa, &span))
    return std::nullopt;
  int64_t quotient = span / S - (span % S < 0 ? 1 : 0); // floor, also below zero
  return quotient + 1;
}

std::optional<int64_t> outputSide(int64_t W, int64_t K, int64_t S, int64_t Pb, int64_t Pa, int64_t D) {
  if (W < 1 || K < 1 || S < 1 || Pb < 0 || Pa < 0 || D < 1)
    return std::nullopt;
  auto O = outputSideUnchecked(W, K, S, Pb, Pa, D);
  if (!O || *O < 1)
    return std::nullopt;
  return O;
}

std::optional<SidePads> samePads(int64_t W, int64_t K, int64_t S, int64_t D) {
  auto Keff = effectiveKernel(K, D);
  if (!Keff || S < 1 || W < 1)
    return std::nullopt;
  int64_t O = (W - 1) / S + 1; // ceil(W/S)
  auto start = product(O - 1, S);
  int64_t needed;
  if (!start || __builtin_add_overflow(*start, *Keff, &needed))
    return std::nullopt;
  int64_t total = std::max<int64_t>(needed - W, 0);
  return SidePads{total / 2, total - total / 2};
}

std::optional<SidePads> widePads(int64_t K, int64_t D) {
  auto Keff = effectiveKernel(K, D);
  if (!Keff)
    return std::nullopt;
  return SidePads{*Keff - 1, *Keff - 1};
}

int64_t ceilExtra(int64_t W, int64_t K, int64_t S, int64_t Pb, int64_t Pa, int64_t D) {
  auto O = outputSide(W, K, S, Pb, Pa, D);
  if (!O)
    return 0;
  int64_t span = W - *effectiveKernel(K, D) + Pb + Pa;
  bool nextStartsInside = *O * S < W + Pb;
  return span % S != 0 && nextStartsInside ? S - span % S : 0;
}

int64_t unreadRows(int64_t W, int64_t K, int64_t S, int64_t Pb, int64_t Pa, int64_t D) {
  auto O = outputSide(W, K, S, Pb, Pa, D);
  if (!O)
    return 0;
  int64_t Keff = *effectiveKernel(K, D);
  int64_t behindLast = W + Pb - ((*O - 1) * S + Keff);
  int64_t gap = std::max<int64_t>(S - Keff, 0);
  return behindLast > gap ? behindLast : 0;
}

} // namespace cnnc::shape
