// The matrices of Winograd's minimal filtering F(m,r) along one axis, and the arithmetic that applying one takes.
// In: a form.  Out: matrices of exact numbers, but for those of the filter. Source: Lavin, Gray 2016; points as in Barabasz et al. 2020.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace cnnc {

/// F(m x m, r x r): squares of m x m outputs of a filter of r x r taps.
struct WinogradForm {
  int64_t outputs = 2, taps = 3;
  int64_t side() const { return outputs + taps - 1; } ///< of a tile, before and after its transform
  int64_t cells() const { return side() * side(); }
  /// A tile of fewer outputs along an axis has the first cells alone, so many: their filters are the same.
  int64_t cellsFor(int64_t count) const { return count + taps - 1; }
  /// Rows of cells that share sums in their transforms, in groups of equal size whose cells fit into caches together.
  std::vector<std::vector<int64_t>> rowGroups() const {
    if (side() == 4)
      return {{0, 1, 2, 3}};
    return {{2, 3}, {0, 1}, {4, 5}};
  }
  /// Where each row of cells stands in the order of the groups.
  std::vector<int64_t> rowPlaces() const {
    std::vector<int64_t> places(static_cast<size_t>(side()));
    int64_t place = 0;
    for (const auto &rows : rowGroups())
      for (int64_t row : rows)
        places[size_t(row)] = place++;
    return places;
  }
};

using WinogradMatrix = std::vector<std::vector<double>>; ///< rows

/// y = output [(filter g) * (input d)], r taps g, side() inputs d.
struct WinogradMatrices {
  WinogradMatrix input, filter, output;
  static WinogradMatrices of(const WinogradForm &form) { return of(form, form.outputs); }
  /// The first `outputs` outputs alone, of as many rows of `filter` as cellsFor() says.
  static WinogradMatrices of(const WinogradForm &form, int64_t outputs);
};
WinogradMatrix transposed(const WinogradMatrix &m);
WinogradMatrix rowsOf(const WinogradMatrix &m, const std::vector<int64_t> &rows);

/// M v, where rows or columns of M that differ in signs alone share their sums. `Arithmetic` has a type Value and add, sub, mul(c, x), fma(c, x, y),
/// where c is a number.
template <typename Arithmetic> class WinogradProduct {
public:
  using Value = typename Arithmetic::Value;

  WinogradProduct(Arithmetic &a, const WinogradMatrix &m) : a(a), rows(m) {}

  std::vector<Value> of(std::vector<Value> v) {
    for (size_t j = 0; j + 1 < v.size(); ++j)
      if (sameButForSigns([&](size_t i) { return std::make_pair(rows[i][j], rows[i][j + 1]); }, rows.size())) {
        Value sum = a.add(v[j], v[j + 1]), difference = a.sub(v[j], v[j + 1]);
        v[j] = sum, v[j + 1] = difference;
        for (auto &row : rows) {
          const double factor = row[j];
          const bool even = factor == row[j + 1];
          row[j] = even ? factor : 0, row[j + 1] = even ? 0 : factor;
        }
        ++j;
      }
    std::vector<Value> result;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (i + 1 == rows.size() || !sameButForSigns([&](size_t j) { return std::make_pair(rows[i][j], rows[i + 1][j]); }, v.size())) {
        result.push_back(sum(termsOf(rows[i]), v));
        continue;
      }
      std::vector<Term> even, odd;
      for (const Term &term : termsOf(rows[i]))
        (rows[i][term.index] == rows[i + 1][term.index] ? even : odd).push_back(term);
      const double lead = odd.back().factor;
      for (Term &term : odd)
        term.factor /= lead;
      Value e = sum(even, v), o = sum(odd, v);
      result.push_back(plus(lead, o, e));
      result.push_back(plus(-lead, o, e));
      ++i;
    }
    return result;
  }

private:
  struct Term {
    size_t index;
    double factor;
  };
  Arithmetic &a;
  WinogradMatrix rows;

  static std::vector<Term> termsOf(const std::vector<double> &row) {
    std::vector<Term> terms;
    for (size_t j = 0; j < row.size(); ++j)
      if (row[j] != 0)
        terms.push_back({j, row[j]});
    return terms;
  }
  /// Some pairs are of equal numbers, some of opposite ones, all of one or the other.
  template <typename F> static bool sameButForSigns(F pairAt, size_t n) {
    bool equal = false, opposite = false;
    for (size_t i = 0; i < n; ++i) {
      auto [x, y] = pairAt(i);
      if (x != y && x != -y)
        return false;
      equal |= x == y && x != 0;
      opposite |= x == -y && x != 0;
    }
    return equal && opposite;
  }
  Value plus(double factor, Value x, Value y) { return factor == 1 ? a.add(y, x) : factor == -1 ? a.sub(y, x) : a.fma(factor, x, y); }
  Value sum(std::vector<Term> terms, const std::vector<Value> &v) {
    for (size_t i = 1; i < terms.size() && terms[0].factor != 1; ++i) // begins with a number that is taken as it is
      if (terms[i].factor == 1)
        std::swap(terms[0], terms[i]);
    Value total = terms[0].factor == 1 ? v[terms[0].index] : a.mul(terms[0].factor, v[terms[0].index]);
    for (size_t i = 1; i < terms.size(); ++i)
      total = plus(terms[i].factor, v[terms[i].index], total);
    return total;
  }
};

/// Instructions of M v.
int64_t winogradOperations(const WinogradMatrix &m);

} // namespace cnnc
