// Convolutions of 3x3 and 5x5 filters at stride 1 by Winograd's minimal filtering: F(4x4,3x3) multiplies 36 times where the definition does 144
// times, F(2x2,3x3) 16 for 36, F(2x2,5x5) 36 for 100.
// In: extents.  Out: kernels. Source: Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.
//
// Output is cut into tiles. With d the inputs of a tile and g a filter, y = A^T [(G g G^T) * (B^T d B)] A: a product of matrices over the
// channels for each cell of the transformed tile, between transforms of few additions and multiplications. Its adjoints have the same form: the
// input's gradient is the convolution with the turned filter, the filter's gradient is G^T [sum over tiles (B^T d B)^T (A dy A^T)] G.
#pragma once

#include "compiler/conversion/Conversion.h"
#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/KernelBuilder.h"
#include "compiler/kernels/WinogradMatrices.h"

#include <string>

namespace cnnc {

/// y[n,i,j,o] = sum over k,l < form.taps and c of x[n, i+k-PT, j+l-PL, c] * w[o,k,l,c].
struct WinogradConv {
  int64_t N = 1, H = 1, W = 1, C = 1; ///< the map that is read
  int64_t OH = 1, OW = 1, O = 1;      ///< the map that is written
  int64_t PT = 0, PL = 0;
  int64_t block = 1;   ///< outputs of a filter block; divides O
  bool turned = false; ///< the filter is given with its taps in reverse order, rows and columns
  bool pairs = false;  ///< the transformed maps and filters are kept and multiplied as pairs of bf16
  bool apart = false;  ///< the map is transformed by a kernel of its own, into memory
  bool filterInside = false; ///< with `apart`: each piece transforms its filters itself
  int64_t sourceBlock = 0;   ///< with `filterInside` and `turned`: the filter is given as the forward convolution has it, in blocks of so many of its outputs

  static WinogradConv forward(const WindowGeometry &g);
  static WinogradConv inputGrad(const WindowGeometry &g, int64_t block);
  WinogradForm form;
  int64_t tileRows() const { return (OH + form.outputs - 1) / form.outputs; }
  int64_t tileColumns() const { return (OW + form.outputs - 1) / form.outputs; }
  int64_t tiles() const { return N * tileRows() * tileColumns(); }
  // The last tiles of a row and of a column have the outputs that are left, and no more cells than these take; with pairs, all cells.
  int64_t lastRows() const { return OH - (tileRows() - 1) * form.outputs; }
  int64_t lastColumns() const { return OW - (tileColumns() - 1) * form.outputs; }
  int64_t lastRowCells() const { return pairs ? form.side() : form.cellsFor(lastRows()); }
  int64_t lastColumnCells() const { return pairs ? form.side() : form.cellsFor(lastColumns()); }
  int64_t cellsOfTiles() const {
    return N * ((tileRows() - 1) * form.side() + lastRowCells()) * ((tileColumns() - 1) * form.side() + lastColumnCells());
  }
  // What is transformed stands in whole vectors, also where C or the block ends within one: masks are for maps and filters alone.
  int64_t paddedChannels(int64_t lanes) const { return (C + lanes - 1) / lanes * lanes; }
  int64_t paddedBlock(int64_t lanes) const { return (block + lanes - 1) / lanes * lanes; }
  int64_t paddedOutputs(int64_t lanes) const { return O / block * paddedBlock(lanes); }
  /// Transformed filters in memory: from one cell of a block to the next, in elements or pairs, and all of them in elements.
  int64_t filterCell(const TargetInfo &target, int64_t lanes) const;
  int64_t transformedFilter(const TargetInfo &target, int64_t lanes) const { return O / block * form.cells() * filterCell(target, lanes) * (pairs ? 2 : 1); }
  /// The transformed map in memory, elements; with `apart`.
  int64_t transformedMap(const TargetInfo &target, int64_t lanes) const;
  /// Whether few enough pieces share a filter for each to transform it, which saves the transformed filters' way through memory.
  bool mayTransformFilterInside(const TargetInfo &target, int64_t lanes) const;
  uint64_t flops() const { return 2ull * cellsOfTiles() * C * O; }
  std::string text() const;
};

/// Whether a convolution of geometry g is 3x3 or 5x5 at stride 1, undilated and ungrouped, and gains by Winograd's form of it or of its
/// gradient, which `c` states; gives `c` the form that gains most, and says whether its map is transformed apart. `directFlops` is what the definition costs.
/// `keepsWeights`: filters are transformed once and read in many runs.
bool winogradPays(const WindowGeometry &g, WinogradConv &c, uint64_t directFlops, const TargetInfo &target, int64_t lanes, bool keepsWeights);

/// u[ob,p,c,lane] = (G g G^T)[p]. Buffers: w [O/block][taps][taps][C][block], u [O/block][cells][chunks of a block][C][lanes of a chunk] (laneChunks);
/// with pairs [...][C/2][lanes of a chunk][2]. Cells stand filterCell() apart; lanes behind the block are zero.
/// Returns the pieces.
int64_t buildWinogradFilter(KernelBuilder &k, const WinogradConv &c, mlir::Type element);
/// Buffers: x, the transformed map. Returns the pieces.
int64_t buildWinogradInput(KernelBuilder &k, const WinogradConv &c, mlir::Type element);
/// Buffers: x, u, y, those of the epilogue; with `apart`, the transformed map in place of x. Returns the pieces.
int64_t buildWinogradConv(KernelBuilder &k, const WinogradConv &c, mlir::Type element, const Ending &ending);

/// The filter's gradient in two kernels: sums over tiles in the transformed form,
/// [parts][channel blocks][output blocks][groups][cells/groups][channels][outputs], and their end. `conv` is the forward convolution. Outputs are counted in
/// padded filter blocks; the last blocks may have fewer channels and outputs.
struct WinogradFilterGrad {
  WinogradConv conv;
  int64_t channels = 1, outputs = 1;           ///< of a piece, whole vectors
  int64_t channelBlocks = 1, outputBlocks = 1; ///< pieces that take all channels, all outputs
  int64_t unit = 1;                            ///< outputs are whole numbers of it: a padded filter block, or a vector where the only block is wide
  int64_t cell = 1;                            ///< elements from the sums of one cell to those of the next
  int64_t parts = 1;                           ///< of the tiles
  GradStripes stripes;                         ///< instead of parts: pieces end what they sum, and the third buffer is [stripes][dwSize()]
  int64_t dwSize() const { return conv.O * conv.C * taps(); }
  int64_t groups() const { return int64_t(conv.form.rowGroups().size()); }
  int64_t cells() const { return conv.form.cells() / groups(); } ///< of a piece
  int64_t taps() const { return conv.form.taps * conv.form.taps; }
  int64_t blockSums() const { return conv.form.cells() * cell; }
  int64_t size() const { return parts * blocks() * blockSums(); }
  int64_t blocks() const { return channelBlocks * outputBlocks; }
  /// Whether a piece makes the gradient itself: it has all tiles of its block, and the block's sums fit the stack.
  bool ends(int64_t elementBytes) const { return parts == 1 && !stripes && blockSums() * elementBytes <= 768 << 10; }
  static WinogradFilterGrad of(const WinogradConv &c, const TargetInfo &target, int64_t lanes);
};
/// Buffers: x, dy, sums; x, dy, dw where pieces end it; x, dy and dw of each stripe.
int64_t buildWinogradFilterGrad(KernelBuilder &k, const WinogradFilterGrad &f, mlir::Type element, StoreLanes store);
/// Buffers: sums, dw [O/block][taps][taps][C][block].
int64_t buildWinogradFilterGradEnd(KernelBuilder &k, const WinogradFilterGrad &f, mlir::Type element, StoreLanes store);

} // namespace cnnc
