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

WinogradMatrices WinogradMatrices::of(const WinogradForm &form) {
  const size_t side = size_t(form.side());
  const std::vector<double> points = side == 4 ? std::vector<double>{0, 1, -1} : std::vector<double>{0, 0.625, -0.625, 1.5, -1.5};
  WinogradMatrices m;
  m.output.assign(size_t(form.outputs), std::vector<double>(side, 0));
  auto without = [&](size_t left) {
    Polynomial p{1};
    for (size_t k = 0; k < points.size(); ++k)
      if (k != left)
        p = timesRoot(p, points[k]);
    p.resize(side);
    return p;
  };
  for (size_t j = 0; j < points.size(); ++j) {
    double scale = 1;
    for (size_t k = 0; k < points.size(); ++k)
      scale *= k == j ? 1 : points[j] - points[k];
    Polynomial taps;
    for (int64_t i = 0; i < form.taps; ++i)
      taps.push_back(std::pow(points[j], double(i)) / scale);
    m.input.push_back(without(j)), m.filter.push_back(taps);
    for (int64_t i = 0; i < form.outputs; ++i)
      m.output[size_t(i)][j] = std::pow(points[j], double(i));
  }
  m.input.push_back(without(side)), m.filter.push_back(Polynomial(size_t(form.taps), 0));
  m.filter.back().back() = 1, m.output.back().back() = 1;
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
