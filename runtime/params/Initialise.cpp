// Initial values, as PyTorch defines them (torch.nn.init).
// In: an init rule.  Out: numbers drawn by counter, so that neither layout nor threads change them.
#include "runtime/params/Initialise.h"
#include "runtime/Failure.h"
#include "runtime/params/Philox.h"
#include <algorithm>
#include <cmath>

namespace rt {

using Values = std::vector<double>;

/// Numbers first to first + n of the sequence of pairs; `first` is even.
static void normal(const Philox &philox, int64_t first, int64_t n, double std, double *values) {
  philox.normals(uint32_t(first / 2), n, values);
  for (int64_t i = 0; i < n; ++i)
    values[i] *= std;
}

static void uniform(const Philox &philox, int64_t first, int64_t n, double bound, double *values) {
  philox.uniforms(uint32_t(first / 2), n, values);
  for (int64_t i = 0; i < n; ++i)
    values[i] = bound * (2 * values[i] - 1);
}

/// Rows (or columns, where there are more rows than columns) orthonormal: Gram and Schmidt on normal deviates, twice for accuracy.
/// A positive diagonal of R makes it uniform over the orthogonal group (Saxe et al. 2013; Mezzadri 2007).
static Values orthogonal(const Philox &philox, const TensorInfo &tensor) {
  const int64_t rows = tensor.shape[0], cols = tensor.elements / rows;
  const int64_t vectors = std::min(rows, cols), length = std::max(rows, cols);
  Values q(static_cast<size_t>(tensor.elements));
  normal(philox, 0, tensor.elements, 1, q.data());
  for (int64_t v = 0; v < vectors; ++v) {
    double *x = &q[v * length];
    for (int pass = 0; pass < 2; ++pass)
      for (int64_t u = 0; u < v; ++u) {
        const double *y = &q[u * length];
        double dot = 0;
        for (int64_t k = 0; k < length; ++k)
          dot += x[k] * y[k];
        for (int64_t k = 0; k < length; ++k)
          x[k] -= dot * y[k];
      }
    double square = 0;
    for (int64_t k = 0; k < length; ++k)
      square += x[k] * x[k];
    for (int64_t k = 0; k < length; ++k)
      x[k] /= std::sqrt(square);
  }
  if (rows <= cols)
    return q;
  Values transposed(q.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c)
      transposed[r * cols + c] = q[c * length + r];
  return transposed;
}

bool madeInParts(const TensorInfo &tensor) { return tensor.init.kind != "orthogonal"; }

void initialValues(const TensorInfo &tensor, uint64_t seed, uint64_t tensorIndex, int64_t first, int64_t n, double *values) {
  const Philox philox(seed, Draw::parameters, tensorIndex);
  const Init &init = tensor.init;
  const double in = std::max(1.0, init.fanIn), sum = std::max(1.0, init.fanIn + init.fanOut);
  const double argument = init.args.empty() ? 0 : init.args[0];
  if (init.kind == "he_normal")
    return normal(philox, first, n, std::sqrt(2 / in), values);
  if (init.kind == "he_uniform")
    return uniform(philox, first, n, std::sqrt(6 / in), values);
  if (init.kind == "xavier_normal")
    return normal(philox, first, n, std::sqrt(2 / sum), values);
  if (init.kind == "xavier_uniform")
    return uniform(philox, first, n, std::sqrt(6 / sum), values);
  if (init.kind == "lecun_normal")
    return normal(philox, first, n, std::sqrt(1 / in), values);
  if (init.kind == "normal")
    return normal(philox, first, n, argument, values);
  if (init.kind == "uniform")
    return uniform(philox, first, n, argument, values);
  if (init.kind == "zeros")
    return void(std::fill_n(values, n, 0));
  if (init.kind == "ones")
    return void(std::fill_n(values, n, 1));
  if (init.kind == "constant")
    return void(std::fill_n(values, n, argument));
  fail(Exit::badModel, "the model's tensor {} has the unknown init '{}'", tensor.name, init.kind);
}

Values initialValues(const TensorInfo &tensor, uint64_t seed, uint64_t tensorIndex) {
  if (!madeInParts(tensor))
    return orthogonal(Philox(seed, Draw::parameters, tensorIndex), tensor);
  Values values(static_cast<size_t>(tensor.elements));
  initialValues(tensor, seed, tensorIndex, 0, tensor.elements, values.data());
  return values;
}

} // namespace rt
