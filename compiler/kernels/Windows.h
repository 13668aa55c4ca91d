// Kernels of windows over channels: pooling and depthwise convolution. Vectors run along the channels.
// In: KernelBuilder, WindowGeometry.  Out: the kernel's body; the number of its pieces.
#pragma once

#include "compiler/conversion/Conversion.h"
#include "compiler/kernels/KernelBuilder.h"
#include "compiler/target/Tiles.h"

namespace cnnc {
struct Ending;
struct NestPlan;

/// Buffers: x, y, indices; in place of x, with a program, what that reads (compiler/kernels/PoolSource.h).
int64_t buildMaxPool(KernelBuilder &k, const WindowGeometry &g, mlir::Type element, mlir::Type index, const NestPlan *program, llvm::ArrayRef<int> buffers);
/// Buffers: dy, indices, dx.
int64_t buildMaxPoolGrad(KernelBuilder &k, const WindowGeometry &g, mlir::Type element, mlir::Type index);
/// Buffers: x, y, as above.
int64_t buildAvgPool(KernelBuilder &k, const WindowGeometry &g, mlir::Type element, const NestPlan *program, llvm::ArrayRef<int> buffers);
/// Buffers: dy, dx.
int64_t buildAvgPoolGrad(KernelBuilder &k, const WindowGeometry &g, mlir::Type element);
/// Buffers: x, w (KH,KW,C), y, those of the epilogue (compiler/kernels/Epilogue.h).
int64_t buildDepthwise(KernelBuilder &k, const WindowGeometry &g, mlir::Type element, const Ending &ending);
/// Buffers: dy, w, dx.
int64_t buildDepthwiseInputGrad(KernelBuilder &k, const WindowGeometry &g, mlir::Type element);
/// Buffers: x, dy, dw or its partial sums [parts][KH][KW][C].
int64_t buildDepthwiseFilterGrad(KernelBuilder &k, const WindowGeometry &g, int64_t parts, mlir::Type element);

/// The loops that these kernels share.
class WindowLoops {
public:
  WindowLoops(KernelBuilder &k, const WindowGeometry &g, mlir::Type element) : k(k), g(g), element(element), lanes(k.lanes(element)) {}

  KernelBuilder &k;
  const WindowGeometry &g;
  mlir::Type element;
  int64_t lanes;

  /// Pieces of about 16k elements of a map of rows x columns.
  ImageCut cut(int64_t rows, int64_t columns) const;
  int64_t pieces(int64_t rows, int64_t columns) const { return cut(rows, columns).count(g.N); }
  using PixelBody = llvm::function_ref<void(mlir::Value n, mlir::Value row, mlir::Value column)>;
  /// All pixels of the piece's images.
  void pixels(int64_t rows, int64_t columns, PixelBody body);
  using ChannelBody = llvm::function_ref<void(mlir::Value c, int64_t width)>;
  /// Vectors of channels; the last may have fewer lanes.
  void channels(ChannelBody body);
  /// The taps lo <= t < hi with 0 <= position*S + t*D - P < side.
  std::pair<mlir::Value, mlir::Value> taps(mlir::Value position, int64_t K, int64_t S, int64_t D, int64_t P, int64_t side, int64_t outputs);
  /// The windows lo <= o < hi that hold input `position`: o*S - P <= position < o*S - P + K.
  std::pair<mlir::Value, mlir::Value> windows(mlir::Value position, int64_t K, int64_t S, int64_t P, int64_t outputs);
  /// ((n*rows + row)*columns + column)*C + c
  mlir::Value address(mlir::Value n, mlir::Value row, mlir::Value column, int64_t rows, int64_t columns, mlir::Value c);
};

} // namespace cnnc
