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

} // namespace cnnc
