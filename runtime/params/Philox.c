/* Philox4x32-10 of Random123, in C: the C++ headers bring <iostream> along, and with it 300 KB of locales.
 * In: four words of counter, two of key.  Out: random words, uniform and normal deviates.
 * Loops are plain C that the compiler makes vectors of, in two widths; without contraction (-ffp-contract=off) all of them,
 * on every processor, give the same bits. Logarithm, sine and cosine are the polynomials of fdlibm (Sun 1993), below one unit in the last
 * place on the ranges used here. */
#include "runtime/params/Philox.h"
#include <Random123/philox.h>
#include <math.h>
#include <string.h>

#define IN_LOOP static inline __attribute__((always_inline))

IN_LOOP philox4x32_ctr_t draw(const uint32_t counter[4], const uint32_t key[2], uint32_t index) {
  const philox4x32_ctr_t c = {{counter[0] + index, counter[1], counter[2], counter[3]}};
  const philox4x32_key_t k = {{key[0], key[1]}};
  return philox4x32_R(10, c, k);
}

void cnn_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t words[4]) {
  const philox4x32_ctr_t out = draw(counter, key, 0);
  for (int i = 0; i < 4; ++i)
    words[i] = out.v[i];
}

/* 53 bits in [0, 1): two conversions of 32 bits or fewer, which vectors have, and an exact sum. */
IN_LOOP double unit(uint32_t high, uint32_t low) {
  const double upper = (double)(int32_t)(high ^ 0x80000000u) + 0x1p31, lower = (double)(int32_t)(low >> 11);
  return upper * 0x1p-32 + lower * 0x1p-53;
}

IN_LOOP void uniforms(const uint32_t counter[4], const uint32_t key[2], double *restrict first, double *restrict second) {
  for (int i = 0; i < CNN_PHILOX_PAIRS; ++i) {
    const philox4x32_ctr_t c = draw(counter, key, (uint32_t)i);
    first[i] = unit(c.v[0], c.v[1]);
    second[i] = unit(c.v[2], c.v[3]);
  }
}

IN_LOOP uint64_t bitsOf(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

IN_LOOP double doubleOf(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* log(x) of a normal, positive x. x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2). */
IN_LOOP double logOf(double x) {
  const uint64_t raised = bitsOf(x) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu); /* carries into the exponent from sqrt(1/2) on */
  const double k = doubleOf((raised >> 52) | 0x4330000000000000u) - (0x1p52 + 1023);
  const double f = doubleOf((raised & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu) - 1;
  const double s = f / (2 + f), z = s * s, w = z * z, half = 0.5 * f * f;
  const double odd = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  const double even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  return k * 6.93147180369123816490e-01 - ((half - (s * (half + (odd + even)) + k * 1.90821492927058770002e-10)) - f);
}

/* sin and cos of 2 pi turns, 0 <= turns < 1: the nearest quarter is taken off exactly. */
IN_LOOP void sinCosOfTurns(double turns, double *sine, double *cosine) {
  const double rounded = turns * 4 + 0x1.8p52;
  const uint64_t quarter = bitsOf(rounded);
  const double x = (turns - (rounded - 0x1.8p52) * 0.25) * 6.283185307179586477, z = x * x;
  const double s = x + x * z * (-1.66666666666666324348e-01 + z * (8.33333333332248946124e-03 + z * (-1.98412698298579493134e-04 +
                   z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
  const double c = 1 - (0.5 * z - z * z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 + z * (2.48015872894767294178e-05 +
                   z * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11))))));
  const uint64_t odd = 0 - (quarter & 1), sign = 0x8000000000000000u;
  const uint64_t a = (bitsOf(s) & ~odd) | (bitsOf(c) & odd), b = (bitsOf(c) & ~odd) | (bitsOf(s) & odd);
  *sine = doubleOf(a ^ ((quarter << 62) & sign));
  *cosine = doubleOf(b ^ (((quarter + 1) << 62) & sign));
}

IN_LOOP void normals(const uint32_t counter[4], const uint32_t key[2], double *restrict first, double *restrict second) {
  for (int i = 0; i < CNN_PHILOX_PAIRS; ++i) {
    const philox4x32_ctr_t word = draw(counter, key, (uint32_t)i);
    const double u = 1 - unit(word.v[0], word.v[1]), radius = sqrt(-2 * logOf(u));
    double sine, cosine;
    sinCosOfTurns(unit(word.v[2], word.v[3]), &sine, &cosine);
    first[i] = radius * cosine;
    second[i] = radius * sine;
  }
}

#ifdef CNN_PHILOX_NARROW
#define VERSIONS(make)                                                                                                                         \
  void cnn_philox_##make(const uint32_t counter[4], const uint32_t key[2], double *first, double *second) { make(counter, key, first, second); }
#else
/* Chosen at each call, not by ifunc: its resolvers run before a sanitizer is ready. */
#define PAIRS_OF(make, width, ...)                                                                                                             \
  __VA_ARGS__ static void make##width(const uint32_t counter[4], const uint32_t key[2], double *first, double *second) {                       \
    make(counter, key, first, second);                                                                                                         \
  }
#define VERSIONS(make)                                                                                                                         \
  PAIRS_OF(make, 256, __attribute__((target("avx2"))))                                                                                         \
  PAIRS_OF(make, 128)                                                                                                                          \
  void cnn_philox_##make(const uint32_t counter[4], const uint32_t key[2], double *first, double *second) {                                    \
    (__builtin_cpu_supports("avx2") ? make##256 : make##128)(counter, key, first, second);                                                     \
  }
#endif
VERSIONS(uniforms)
VERSIONS(normals)
