// The transforms of F(2x2,3x3) on vectors of channels.
// In: cells as a square array of vectors, row by row.  Out: cells likewise. All of them only add, or halve.
#pragma once

#include "compiler/kernels/Winograd.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <vector>

namespace cnnc {

/// Emits the transforms, and moves tiles between maps and scratch memory.
class WinogradTransforms {
public:
  using Cells = std::vector<mlir::Value>; ///< row by row

  WinogradTransforms(KernelBuilder &k, const WinogradConv &c, mlir::Type element)
      : k(k), c(c), lanes(k.lanes(element)) {}

  /// B^T d B: 4x4 -> 4x4.
  Cells input(const Cells &d) {
    return both(d, 4, [&](auto v) -> Cells { return {sub(v[0], v[2]), add(v[1], v[2]), sub(v[2], v[1]), sub(v[1], v[3])}; });
  }
  /// A^T m A: 4x4 -> 2x2.
  Cells output(const Cells &m) {
    return both(m, 4, [&](auto v) -> Cells { return {add(add(v[0], v[1]), v[2]), sub(sub(v[1], v[2]), v[3])}; });
  }
  /// A y A^T: 2x2 -> 4x4, the adjoint of `output`.
  Cells outputAdjoint(const Cells &y) {
    return both(y, 2, [&](auto v) -> Cells { return {v[0], add(v[0], v[1]), sub(v[0], v[1]), negate(v[1])}; });
  }
  /// G g G^T: 3x3 -> 4x4.
  Cells filter(const Cells &g) {
    return both(g, 3, [&](auto v) -> Cells {
      mlir::Value outer = half(add(v[0], v[2])), inner = half(v[1]);
      return {v[0], add(outer, inner), sub(outer, inner), v[2]};
    });
  }
  /// G^T u G: 4x4 -> 3x3, the adjoint of `filter`.
  Cells filterAdjoint(const Cells &u) {
    return both(u, 4, [&](auto v) -> Cells {
      mlir::Value sum = half(add(v[1], v[2])), difference = half(sub(v[1], v[2]));
      return {add(v[0], sum), difference, add(sum, v[3])};
    });
  }

  /// Where a tile stands: its number among all, and what follows from it.
  struct Tile {
    mlir::Value n, row, column; ///< image; row and column of tiles
  };
  Tile tileAt(mlir::Value number) {
    int64_t perImage = c.tileRows() * c.tileColumns();
    mlir::Value inside = k.mod(number, perImage);
    return {k.div(number, perImage), k.div(inside, c.tileColumns()), k.mod(inside, c.tileColumns())};
  }

  /// Where transformed tiles are kept: memory[p*cell + slot*channels + ch]. Two tiles share a slot where `half` says which they are.
  struct Place {
    enum Half { Whole, Low, High };
    mlir::Value memory, slot;
    int64_t cell, channels;
    Half half = Whole;
  };
  /// Elements from one cell to the next, at least `elements`: the sixteen cells of a tile fall into different sets of the first-level cache.
  static int64_t cellStride(int64_t elements, int64_t bytes) {
    constexpr int64_t page = 4096, apart = 256; // bytes that repeat the sets, and from set to set
    return elements + ((apart - elements * bytes) % page + page) % page / bytes;
  }
  /// Places (B^T d B)[p] for `to.channels` channels of the tile from `firstChannel` on; d is zero outside the map.
  void transformInput(mlir::Value x, const Tile &tile, mlir::Value firstChannel, const Place &to);
  /// Places (A dy A^T)[p] for `to.channels` channels of the tile of dy from `firstOutput` on.
  void transformOutputGrad(mlir::Value dy, const Tile &tile, mlir::Value firstOutput, const Place &to);

private:
  KernelBuilder &k;
  const WinogradConv &c;
  int64_t lanes;

  mlir::Value add(mlir::Value x, mlir::Value y) { return mlir::arith::AddFOp::create(k.b, k.loc, x, y); }
  mlir::Value sub(mlir::Value x, mlir::Value y) { return mlir::arith::SubFOp::create(k.b, k.loc, x, y); }
  void put(const Cells &cells, mlir::Value ch, const Place &to);
  mlir::Value negate(mlir::Value x) { return mlir::arith::NegFOp::create(k.b, k.loc, x); }
  mlir::Value half(mlir::Value x) {
    mlir::Value h = k.scalar(mlir::cast<mlir::VectorType>(x.getType()).getElementType(), 0.5);
    return mlir::arith::MulFOp::create(k.b, k.loc, x, k.splat(h, lanes));
  }

  /// Applies `f` to each column of the square `m`, then to each row of what comes out.
  template <typename F> Cells both(const Cells &m, int64_t side, F f) {
    std::vector<Cells> columns;
    for (int64_t j = 0; j < side; ++j) {
      Cells v;
      for (int64_t i = 0; i < side; ++i)
        v.push_back(m[i * side + j]);
      columns.push_back(f(v));
    }
    Cells result;
    for (size_t i = 0; i < columns[0].size(); ++i) {
      Cells v;
      for (int64_t j = 0; j < side; ++j)
        v.push_back(columns[j][i]);
      for (mlir::Value value : f(v))
        result.push_back(value);
    }
    return result;
  }

  /// A square of side `side` whose first cell is (row, column) of a map of H x W x mapChannels: all cells of vectors of channels, and
  /// `use(ch, cells)` for each. Cells outside the map are zero.
  void squares(mlir::Value map, mlir::Value n, mlir::Value row, mlir::Value column, int64_t side, int64_t H, int64_t W, int64_t mapChannels,
               mlir::Value firstChannel, int64_t channels, bool mayLeave, llvm::function_ref<void(mlir::Value, const Cells &)> use);
};

} // namespace cnnc
