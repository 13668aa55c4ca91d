// Convolutions of 3x3 filters at stride 1 by Winograd's minimal filtering F(2x2,3x3): 16 multiplications where the definition has 36.
// In: extents.  Out: kernels. Source: Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.
//
// Output is cut into tiles of 2x2. With d the 4x4 inputs of a tile and g a filter, y = A^T [(G g G^T) * (B^T d B)] A: sixteen products of
// matrices over the channels, between transforms that only add. Its adjoints have the same form: the input's gradient is the convolution
// with the turned filter, the filter's gradient is G^T [sum over tiles (B^T d B)^T (A dy A^T)] G.
#pragma once

#include "compiler/conversion/Conversion.h"
#include "compiler/kernels/KernelBuilder.h"

#include <string>

namespace cnnc {

/// Cells of a transformed tile.
constexpr int64_t winogradCells = 16;

/// y[n,i,j,o] = sum over k,l < 3 and c of x[n, i+k-PT, j+l-PL, c] * w[o,k,l,c].
struct WinogradConv {
  int64_t N = 1, H = 1, W = 1, C = 1; ///< the map that is read
  int64_t OH = 1, OW = 1, O = 1;      ///< the map that is written
  int64_t PT = 0, PL = 0;
  int64_t block = 1;   ///< lanes of a filter block; divides O
  bool turned = false; ///< the filter is given with its taps in reverse order, rows and columns
  bool pairs = false;  ///< the transformed maps and filters are kept and multiplied as pairs of bf16

  static WinogradConv forward(const WindowGeometry &g);
  static WinogradConv inputGrad(const WindowGeometry &g, int64_t block);
  int64_t tileRows() const { return (OH + 1) / 2; }
  int64_t tileColumns() const { return (OW + 1) / 2; }
  int64_t tiles() const { return N * tileRows() * tileColumns(); }
  int64_t transformedFilter() const { return winogradCells * C * O; } ///< elements
  uint64_t flops() const { return 2ull * tiles() * winogradCells * C * O; }
  std::string text() const;
};

/// Whether a convolution of geometry g is 3x3 at stride 1, undilated and ungrouped, and gains by the form c of it or of its gradient:
/// `directFlops` is what the definition costs.
bool winogradPays(const WindowGeometry &g, const WinogradConv &c, uint64_t directFlops, const TargetInfo &target, int64_t lanes);

/// u[ob,p,c,lane] = (G g G^T)[p]. Buffers: w [O/block][3][3][C][block], u [O/block][16][C][block]; with pairs [O/block][16][C/2][block][2].
/// Returns the pieces.
int64_t buildWinogradFilter(KernelBuilder &k, const WinogradConv &c, mlir::Type element);
/// Buffers: x, u, y.
int64_t buildWinogradConv(KernelBuilder &k, const WinogradConv &c, mlir::Type element);

/// The filter's gradient in two kernels: sums over tiles in the transformed form, [parts][C/channels][O/outputs][16][channels][outputs],
/// and their end. `conv` is the forward convolution.
struct WinogradFilterGrad {
  WinogradConv conv;
  int64_t channels = 1, outputs = 1; ///< of a piece
  int64_t parts = 1;                 ///< of the tiles
  int64_t size() const { return parts * conv.transformedFilter(); }
  int64_t blocks() const { return conv.C / channels * (conv.O / outputs); }
  static WinogradFilterGrad of(const WinogradConv &c, int64_t lanes);
};
/// Buffers: x, dy, sums.
int64_t buildWinogradFilterGrad(KernelBuilder &k, const WinogradFilterGrad &f, mlir::Type element);
/// Buffers: sums, dw [O/block][3][3][C][block].
int64_t buildWinogradFilterGradEnd(KernelBuilder &k, const WinogradFilterGrad &f, mlir::Type element);

} // namespace cnnc
