// Numbers too small to be normal ones count as zero while kernels run.
// In: a scope.  Out: SSE's control register as it was before, at its end.
#pragma once
#include <immintrin.h>

namespace rt {

/// A momentum that fades, or a probability of e^-90, is a denormal for some hundred steps, and each product with one takes a hundred cycles or more. So every
/// thread takes and gives zero for them (below 1.2e-38 in f32, 2.2e-308 in f64) wherever pieces run: results stay the same for any number of threads.
class DenormalsAreZero {
public:
  DenormalsAreZero() {
    if ((before & zeros) != zeros)
      _mm_setcsr(before | zeros);
  }
  ~DenormalsAreZero() {
    if ((before & zeros) != zeros)
      _mm_setcsr(before);
  }
  DenormalsAreZero(const DenormalsAreZero &) = delete;

private:
  static constexpr unsigned zeros = 0x8040; // of results (FTZ) and of operands (DAZ): Intel SDM vol. 1, 10.2.3
  unsigned before = _mm_getcsr();
};

} // namespace rt
