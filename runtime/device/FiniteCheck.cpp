// Finds the first kernel of a step whose output holds a NaN or an infinity.
// In: outputs of each launch.  Out: the first offender, kept.
#include "runtime/device/FiniteCheck.h"
#include "runtime/device/Element.h"
#include <cmath>

namespace rt {

static double load(const void *data, uint64_t i, uint32_t kind) {
  switch (kind) {
  case CNN_F32: return static_cast<const float *>(data)[i];
  case CNN_F64: return static_cast<const double *>(data)[i];
  case CNN_BF16: return fromBf16(static_cast<const uint16_t *>(data)[i]);
  default: return 0; // integers are always finite
  }
}

int64_t firstNonFinite(const void *data, uint64_t n, uint32_t kind) {
  for (uint64_t i = 0; i < n; ++i)
    if (!std::isfinite(load(data, i, kind)))
      return int64_t(i);
  return -1;
}

void FiniteCheck::launched(const cnn_kernel &kernel, void *const *buffers, double, std::chrono::steady_clock::time_point) {
  if (found)
    return;
  for (uint32_t b = 0; b < kernel.n_buffers; ++b) {
    const cnn_buffer_info &info = kernel.buffer_infos[b];
    if (!info.is_output)
      continue;
    const int64_t at = firstNonFinite(buffers[b], info.elements, info.element_kind);
    if (at < 0)
      continue;
    found = true;
    layer = kernel.layer ? kernel.layer : "";
    what = kernel.what ? kernel.what : "";
    value = load(buffers[b], uint64_t(at), info.element_kind);
    if (std::isnan(value))
      value = std::abs(value); // a NaN's sign says nothing
    return;
  }
}

} // namespace rt
