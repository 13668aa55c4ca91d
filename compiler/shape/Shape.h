// The feature-map formula, per axis and overflow-checked: the one place where it stands.
// In: W map side, K kernel, S stride, Pb and Pa padding before and after, D dilation, all of one axis.
// Out: O = floor((W - K_eff + Pb + Pa) / S) + 1 with K_eff = D(K-1) + 1, and what follows from it. nullopt: the numbers overflow.
#pragma once

#include <cstdint>
#include <optional>

namespace cnnc::shape {

/// Every extent (side, channels, kernel, stride, padding, dilation) is at most this.
constexpr int64_t maxExtent = int64_t(1) << 24;

/// K_eff = D(K-1) + 1
std::optional<int64_t> effectiveKernel(int64_t K, int64_t D);

/// O by the formula even where it is less than 1 (for messages). S must be at least 1.
std::optional<int64_t> outputSideUnchecked(int64_t W, int64_t K, int64_t S, int64_t Pb, int64_t Pa, int64_t D = 1);

/// O, or nullopt if the kernel does not fit (O < 1), an argument is out of range, or the numbers overflow.
std::optional<int64_t> outputSide(int64_t W, int64_t K, int64_t S, int64_t Pb, int64_t Pa, int64_t D = 1);

struct SidePads {
  int64_t before = 0, after = 0;
};
/// `same`: O = ceil(W/S); an odd extra row or column goes after (to the bottom and right).
std::optional<SidePads> samePads(int64_t W, int64_t K, int64_t S, int64_t D = 1);
/// `wide` (full): K_eff - 1 on both sides.
std::optional<SidePads> widePads(int64_t K, int64_t D = 1);

/// Rows that ceil=true adds after the padding so that one more window starts, as PyTorch: that window must start on the map or the
/// padding before it. 0 where the floor loses nothing.
int64_t ceilExtra(int64_t W, int64_t K, int64_t S, int64_t Pb, int64_t Pa, int64_t D = 1);

/// Rows of the real map behind the last window. Fewer than the gap S - K_eff that lies between any two windows count as 0: a
/// stride larger than the kernel skips rows by design (the 1x1 shortcut of a residual block with stride 2).
int64_t unreadRows(int64_t W, int64_t K, int64_t S, int64_t Pb, int64_t Pa, int64_t D = 1);

/// a * b * c... within int64, or nullopt.
std::optional<int64_t> product(int64_t a, int64_t b);
std::optional<int64_t> product(int64_t a, int64_t b, int64_t c);

} // namespace cnnc::shape
