// x and dy of a filter's gradient in the order of AMX tiles, in memory of the piece.
// In: AmxFilterGrad, x and dy.  Out: loops that transpose x to rows of one channel each, and interleave two pixels of dy.
#pragma once

#include "compiler/kernels/Amx.h"
#include "compiler/kernels/AmxPlanes.h"

namespace cnnc {

namespace amx {
constexpr int64_t tile = Tiles::most, depth = 2 * tile; ///< rows or lanes of a tile, pixels of a product
constexpr int64_t tileElements = tile * depth;          ///< of bf16
constexpr int64_t sumElements = tile * tile;
constexpr int64_t eighth = 8;                     ///< channels that are transposed at once: of 128 bits
inline int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t roundUp(int64_t a, int64_t b) { return ceilDiv(a, b) * b; }
} // namespace amx

/// The planes that a piece copies x to.
Planes planesOf(const AmxFilterGrad &a);

/// Extents of the memory that a piece of planes has.
struct PlaneRows {
  Planes planes;
  int64_t steps;    ///< products along x: taps shift it against dy
  int64_t pitch;    ///< where rows of taps are gathered: elements from one channel's row to the next
  int64_t pairs;    ///< of dy, of one tile of filters, with zeros before and behind them
  int64_t copies;   ///< of dy: pairs that begin at even pixels, and at odd ones
  static constexpr int64_t before = amx::tile, behind = 2 * amx::tile;

  explicit PlaneRows(const AmxFilterGrad &a);
  int64_t residues() const { return planes.rows.residues * planes.columns.residues; }
  /// Elements of x in tiles, of each term.
  int64_t turned(const AmxFilterGrad &a) const { return (a.gathers ? 1 : residues()) * steps * amx::roundUp(a.panelRows, 2) * amx::tileElements; }
  int64_t channelRows() const { return residues() * planes.channels * pitch; }
  int64_t paired(const AmxFilterGrad &a) const { return copies * a.panelLanes * pairs * amx::depth; }
};

/// Brings x and dy in, in two terms each where they are split. A piece has some tiles of rows and of lanes.
class AmxOperands {
protected:
  KernelBuilder &k;
  const AmxFilterGrad &a;
  const FilterGrad &f;
  const PlaneRows rows;
  const int64_t terms;
  mlir::Value x, dy;
  mlir::Value firstLaneTile, firstRowTile, laneTiles, rowTiles; ///< what the piece has
  mlir::Value firstImage, lastImage;
  int64_t imagesOfPart = 0; ///< lastImage - firstImage, but for the last
  mlir::Value turned, paired; ///< x and dy

  AmxOperands(KernelBuilder &k, const AmxFilterGrad &a) : k(k), a(a), f(a.f), rows(a), terms(a.split ? 2 : 1), x(k.buffer(0)), dy(k.buffer(1)) {}

  void allocateOperands();
  /// Group `group` of samples: 32 images from n on.
  void bringSamples(mlir::Value n, mlir::Value group);
  /// Planes of `count` images from n on, whose outputs begin at firstRow; pixelCount positions of dy in all.
  void bringPlanes(mlir::Value n, mlir::Value count, mlir::Value firstRow, mlir::Value rowCount, mlir::Value pixelCount);

  int64_t turnedTerm() const; ///< elements from the first term of x to the second
  int64_t pairedTerm() const; ///< of dy
  /// Runs of 32 pixels of x that are brought in at once.
  int64_t runs() const { return a.bySamples ? a.groups * f.H * f.W : (a.gathers ? 1 : rows.residues()) * rows.steps; }
  /// The first element of the row of channel `c` in x's tiles of run `number`: two tiles stand together, and behind them those of the next run.
  mlir::Value tileOf(mlir::Value number, mlir::Value c);
  /// By samples: the first element of dy's tile of filters `lt`, likewise.
  mlir::Value pairedTile(mlir::Value number, mlir::Value lt);

  /// A tile of filters: its number in the piece, its first filter's place in dy, and in a row of dw, how many it has.
  using LaneTile = llvm::function_ref<void(mlir::Value number, mlir::Value filter, mlir::Value inRow, int64_t width)>;
  void laneTile(mlir::Value number, LaneTile body);
  void eachLaneTile(LaneTile body) {
    k.loop(k.constant(0), laneTiles, 1, [&](mlir::Value number) { laneTile(number, body); });
  }

private:
  mlir::Value planes, lines, channelRows;

  llvm::SmallVector<mlir::Value> narrowed(mlir::Value buffer, mlir::Value index, int64_t lanes, int64_t width);
  mlir::Value bits(mlir::Value v);
  mlir::Value zeros(int64_t lanes);
  void storeBits(mlir::Value v, mlir::Value buffer, mlir::Value index);
  void turn(llvm::function_ref<mlir::Value(int64_t)> source, mlir::Value target, mlir::Value to, int64_t pitch);
  void storePair(mlir::Value low, mlir::Value high, mlir::Value index);
  void eachEighth(mlir::Value start, llvm::function_ref<void(mlir::Value, mlir::Value, int64_t)> body);
  void stage(mlir::Value buffer, mlir::Value from, int64_t pixel, int64_t s);
  mlir::Value stagedLanes(int64_t s, mlir::Value lane, int64_t width, int64_t term);
  void bringSamples(mlir::Value n, mlir::Value group, bool whole);
  void pairPlanes(mlir::Value n, mlir::Value count, mlir::Value firstRow, mlir::Value rowCount, mlir::Value pixelCount);
  void gather();
};

} // namespace cnnc
