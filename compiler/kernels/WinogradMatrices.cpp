// Toom and Cook's construction: polynomials by their values at points and at infinity.
// In: a form.  Out: its matrices. The points are 0 and pairs +-p, dyadic, so that the matrices of maps are exact in every type; those of six
// cells were searched for the least rounding error in f32: 0, +-5/8, +-3/2 err 1.4 to 2.4 times as much as the definition, 0, +-1, +-2 twice that.
#include "compiler/kernels/WinogradMatrices.h"

#include <cmath>

namespace cnnc {
namespace {

using Polynomial = std::vector<double>; // by rising powers

/// p(x) (x - root)
Polynomial timesRoot(const Polynomial &p, double root) {
  Polynomial product(p.size() + 1, 0);
  for (size_t i = 0; i < p.size(); ++i)
    product[i] -= root * p[i], product[i + 1] += p[i];
  return product;
}

} // namespace

// F(k,r) with k < m takes some of the points of F(m,r). What the filter is divided by for the points that it leaves out, the input is multiplied by.
WinogradMatrices WinogradMatrices::of(const WinogradForm &form, int64_t outputs) {
  const size_t side = size_t(form.side()), cells = size_t(form.cellsFor(outputs));
  const double infinity = HUGE_VAL; // among the first points, for every F(k,r) has it
  const std::vector<double> points = side == 4 ? std::vector<double>{1, -1, infinity, 0} : std::vector<double>{0.625, -0.625, infinity, 0, 1.5, -1.5};
  WinogradMatrices m;
  m.output.assign(size_t(outputs), std::vector<double>(cells, 0));
  for (size_t j = 0; j < side; ++j) {
    const bool last = points[j] == infinity;
    Polynomial input{1}, taps(size_t(form.taps), 0);
    double scale = 1, leftOut = 1;
    for (size_t k = 0; k < side; ++k) {
      if (k == j || points[k] == infinity)
        continue;
      if (!last)
        (k < cells ? scale : leftOut) *= points[j] - points[k];
      if (k < cells)
        input = timesRoot(input, points[k]);
    }
    for (int64_t i = 0; i < form.taps; ++i)
      taps[size_t(i)] = last ? i + 1 == form.taps : std::pow(points[j], double(i)) / (scale * leftOut);
    m.filter.push_back(taps);
    if (j >= cells)
      continue;
    for (double &factor : input)
      factor *= leftOut;
    input.resize(cells);
    m.input.push_back(input);
    for (int64_t i = 0; i < outputs; ++i)
      m.output[size_t(i)][j] = last ? i + 1 == outputs : std::pow(points[j], double(i));
  }
  return m;
}

WinogradMatrix transposed(const WinogradMatrix &m) {
  WinogradMatrix t(m[0].size(), std::vector<double>(m.size()));
  for (size_t i = 0; i < m.size(); ++i)
    for (size_t j = 0; j < m[i].size(); ++j)
      t[j][i] = m[i][j];
  return t;
}

WinogradMatrix rowsOf(const WinogradMatrix &m, const std::vector<int64_t> &rows) {
  WinogradMatrix result;
  for (int64_t row : rows)
    result.push_back(m[size_t(row)]);
  return result;
}

int64_t winogradOperations(const WinogradMatrix &m) {
  struct Count {
    using Value = int;
    int64_t operations = 0;
    Value add(Value, Value) { return ++operations, 0; }
    Value sub(Value, Value) { return ++operations, 0; }
    Value mul(double, Value) { return ++operations, 0; }
    Value fma(double, Value, Value) { return ++operations, 0; }
  } count;
  WinogradProduct<Count>(count, m).of(std::vector<int>(m[0].size()));
  return count.operations;
}

} // namespace cnnc
