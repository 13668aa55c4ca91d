// The transforms of Winograd's form on vectors of channels.
// In: the cells of a square, vectors each, as they are asked for.  Out: the cells of its transform, row by row.
#pragma once

#include "compiler/kernels/Winograd.h"
#include "compiler/target/Tiles.h"

#include <array>
#include <numeric>

namespace cnnc {

/// The chunks of a block of filters, `body(start, chunk)`: neighbours of one shape in a loop.
void throughChunks(KernelBuilder &k, const std::vector<LaneChunk> &chunks, llvm::function_ref<void(mlir::Value start, const LaneChunk &)> body);

/// Emits the transforms, and moves tiles between maps and scratch memory.
class WinogradTransforms {
public:
  using Cell = llvm::function_ref<mlir::Value(int64_t row, int64_t column)>;
  using Use = llvm::function_ref<void(int64_t number, mlir::Value)>;

  WinogradTransforms(KernelBuilder &k, const WinogradConv &c, mlir::Type element)
      : k(k), c(c), element(element), lanes(k.lanes(element)), matrices(WinogradMatrices::of(c.form)) {}

  /// A^T m A: side x side -> rows x columns of outputs, whose cells a tile of so many has.
  void output(int64_t rows, int64_t columns, Cell m, Use use) { both(matricesOf(rows).output, matricesOf(columns).output, m, use); }
  /// G g G^T: taps x taps -> side x side.
  void filter(Cell g, Use use) { both(matrices.filter, matrices.filter, g, use); }
  /// G^T u G: side x side -> taps x taps, the adjoint of `filter`; and its two steps, G^T u of one column, and v G of taps x side.
  void filterAdjoint(Cell u, Use use) { both(transposed(matrices.filter), transposed(matrices.filter), u, use); }
  std::vector<mlir::Value> filterAdjointOfColumn(const std::vector<mlir::Value> &u) { return product(transposed(matrices.filter), u); }
  void filterAdjointOfRows(Cell v, Use use) { ofRows(transposed(matrices.filter), c.form.taps, v, use); }

  /// Where a tile stands: its number among all, and what follows from it.
  struct Tile {
    mlir::Value n, row, column; ///< image; row and column of tiles
  };
  Tile tileAt(mlir::Value number) {
    int64_t perImage = c.tileRows() * c.tileColumns();
    mlir::Value inside = k.mod(number, perImage);
    return {k.div(number, perImage), k.div(inside, c.tileColumns()), k.mod(inside, c.tileColumns())};
  }

  /// The tile's outputs: `body(tile, rows, columns)` for each number that there is, where it is the tile's. `shortRows`, `shortColumns`: whether the last
  /// tiles are told from others; their place is then a constant.
  void withShape(const Tile &tile, bool shortRows, bool shortColumns, llvm::function_ref<void(const Tile &, int64_t rows, int64_t columns)> body);

  // Cells come in kinds, by whether the last tiles of a column have them (1 if not) and those of a row (2 if not). The tiles that have them are numbered
  // by themselves.
  static constexpr int kinds = 4;
  using ByKind = std::array<mlir::Value, kinds>;
  int kindOf(int64_t row, int64_t column) const { return (row >= c.lastRowCells()) + 2 * (column >= c.lastColumnCells()); }
  /// How many tiles before this number have cells of a kind.
  ByKind before(mlir::Value number);
  /// The same from number `first` on, times `factor`, and `start` more.
  ByKind between(const ByKind &first, mlir::Value number, int64_t factor, mlir::Value start);
  /// Of `tiles` tiles in a row, how many have cells of the kind at most.
  int64_t most(int kind, int64_t tiles) const;

  /// Where a transformed tile is kept: memory[first[kind] + p*cell + ch]. Two tiles share a place where `half` says which they are.
  struct Place {
    enum Half { Whole, Low, High };
    mlir::Value memory;
    ByKind first;
    int64_t cell;
    mlir::Value channels;
    Half half = Whole;
  };
  /// Elements from one cell to the next, at least `elements`: the cells of a tile fall into different sets of the first-level cache.
  static int64_t cellStride(int64_t elements, int64_t bytes) {
    constexpr int64_t apart = 256, even = 2 * apart; // bytes; sets repeat after a power of two of them, which odd multiples of `apart` all reach
    return elements + ((apart - elements * bytes) % even + even) % even / bytes;
  }
  /// Places (B^T d B)[p], side x side, for `to.channels` channels of the tile from `firstChannel` on; d is zero outside the map.
  void transformInput(mlir::Value x, const Tile &tile, mlir::Value firstChannel, const Place &to) {
    std::vector<int64_t> all(size_t(c.form.side()));
    std::iota(all.begin(), all.end(), 0);
    transformInput(x, tile, firstChannel, all, to);
  }
  /// Of these rows of cells alone.
  void transformInput(mlir::Value x, const Tile &tile, mlir::Value firstChannel, const std::vector<int64_t> &rows, const Place &to);
  /// Places (A dy A^T)[p], likewise, for `to.channels` channels of the tile of dy from `firstOutput` on, both counted in padded filter blocks.
  void transformOutputGrad(mlir::Value dy, const Tile &tile, mlir::Value firstOutput, const std::vector<int64_t> &rows, const Place &to);

private:
  KernelBuilder &k;
  const WinogradConv &c;
  mlir::Type element;
  int64_t lanes;
  WinogradMatrices matrices;

  /// M v
  std::vector<mlir::Value> product(const WinogradMatrix &M, const std::vector<mlir::Value> &v);
  /// m N^T of so many rows, each used as soon as it is there.
  void ofRows(const WinogradMatrix &N, int64_t rows, Cell m, Use use);
  /// M m N^T: each column, then each row of what comes out.
  void both(const WinogradMatrix &M, const WinogradMatrix &N, Cell m, Use use);
  /// Of tiles of so many outputs along an axis.
  WinogradMatrices matricesOf(int64_t outputs) const { return WinogradMatrices::of(c.form, c.pairs ? c.form.outputs : outputs); }
  bool shortRows() const { return c.lastRowCells() < c.form.side(); }
  bool shortColumns() const { return c.lastColumnCells() < c.form.side(); }
  /// Places M m N^T of the rows `rows` of M, as far as it has them.
  void place(const WinogradMatrix &M, const WinogradMatrix &N, const std::vector<int64_t> &rows, Cell m, mlir::Value ch, const Place &to);
  /// A map of H x W x C, of whose channels each `block` of them begins a vector.
  struct Map {
    mlir::Value memory;
    int64_t H, W, C, block;
  };
  /// A rectangle of `rows` x `columns` whose first cell is (row, column) of image n, on vectors of `channels` channels: `use(ch, cell)` for each
  /// vector. Cells outside the map are zero, and so are lanes outside the block.
  void rectangles(const Map &map, mlir::Value n, mlir::Value row, mlir::Value column, int64_t rows, int64_t columns, mlir::Value firstChannel,
               mlir::Value channels, bool mayLeave, llvm::function_ref<void(mlir::Value, Cell)> use);
};

} // namespace cnnc
