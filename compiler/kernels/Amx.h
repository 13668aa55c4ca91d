// Kernels that multiply tiles of bf16 in the tile registers of AMX.
// In: KernelBuilder, GatherConv of pairs.  Out: the kernel's body; the number of its pieces.
#pragma once

#include "compiler/kernels/Contractions.h"

namespace cnnc {

/// A value in a tile register: rows of at most 64 bytes. The extents of a tile are those of the operation that makes it.
class Tiles {
public:
  explicit Tiles(KernelBuilder &k) : k(k) {}

  static constexpr int64_t most = 16; ///< rows, and units of four bytes in a row

  mlir::Value zero(int64_t rows, int64_t units);
  /// Row r from the element index + r * stride of the buffer.
  mlir::Value load(mlir::Value buffer, mlir::Value index, int64_t stride, int64_t rows, int64_t units);
  void store(mlir::Value tile, mlir::Value buffer, mlir::Value index, int64_t stride, int64_t rows, int64_t units);
  /// sum (rows x columns, f32) + x (rows x pairs) y (pairs x columns); each pair's halves are multiplied and added.
  mlir::Value multiply(mlir::Value sum, mlir::Value x, mlir::Value y, int64_t rows, int64_t columns, int64_t pairs);

  /// What an element of f32 is taken apart into.
  enum Part { high, low };
  using Load = llvm::function_ref<mlir::Value(int64_t number, Part part)>;
  /// sums[i * ys + v] + x(i) y(v) of `xs` tiles with `ys`. Split, the parts are multiplied three ways: no tile is loaded twice, and four are held beside
  /// the sums.
  llvm::SmallVector<mlir::Value> multiplyAll(llvm::SmallVector<mlir::Value> sums, int64_t xs, int64_t ys, bool split, Load x, Load y, int64_t rows,
                                             int64_t columns, int64_t pairs);

private:
  KernelBuilder &k;
};

/// Whether the convolution is made of tiles: on processors that have them, where channels fill most of a tile.
bool amxTakes(const GatherConv &c, const TargetInfo &target);
/// Whether the kernel reads x as it is, without planes of its own; a split x is taken apart before then.
bool amxReadsInPlace(const GatherConv &c, const TargetInfo &target);
/// Whether its pieces are cut as ImageCut says.
bool amxIsByImage(const GatherConv &c, const TargetInfo &target);
/// Buffers: x, w, y, as those of buildGatherConv.
int64_t buildAmxConv(KernelBuilder &k, const GatherConv &c);

/// A filter's gradient as products of tiles: 16 input channels x pixels times pixels x 16 filters, summed over the pixels.
struct AmxFilterGrad {
  FilterGrad f;       ///< by elements; parts and stripes tell what pieces sum up. Where the filter covers a pixel alone, pixels are its images.
  bool split = false; ///< x and dy are f32, each the sum of two bf16, of which three products are made
  int64_t perImage = 1; ///< of f's images, in one of the map

  bool bySamples = false; ///< the 32 pixels of a product are one pixel of 32 images, else neighbours in a row of planes
  bool gathers = false;   ///< rows are channels of all taps, else of one tap at a time
  bool once = false;      ///< a tile's sum is whole before it leaves its register
  bool inPlace = false;   ///< sums are kept in dw, else in memory of the piece
  int64_t taps = 1, rows = 1;                ///< of a filter, as products see them
  int64_t rowTiles = 1, laneTiles = 1;       ///< of dw
  int64_t laneTilesOfBlock = 1;              ///< where a block of filters is no multiple of a tile, else 1
  int64_t panelRows = 1, panelLanes = 1;     ///< tiles of a piece
  int64_t groups = 1;                        ///< by samples: groups of 32 that are brought in at once
  int64_t images = 1, outRows = 1;           ///< of planes that are brought in at once
  int64_t width = 1, steps = 1;              ///< of planes: pixels of a row, products along them all

  /// f with its parts or stripes.
  static AmxFilterGrad of(const FilterGrad &f, bool split);
  explicit operator bool() const { return bytes() <= (7 << 18); }
  int64_t panels() const { return ((rowTiles + panelRows - 1) / panelRows) * ((laneTiles + panelLanes - 1) / panelLanes); }
  int64_t pieces() const;
  int64_t bytes() const; ///< of its stack
  int64_t sumElements() const; ///< that wait in the piece's memory
};
/// Buffers: x, dy, dw.
int64_t buildAmxFilterGrad(KernelBuilder &k, const AmxFilterGrad &a, StoreLanes store);

} // namespace cnnc
