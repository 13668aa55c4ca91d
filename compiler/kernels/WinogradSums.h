// The sums of Winograd's filter gradient in the transformed form, and the way from them to dw.
// In: WinogradFilterGrad, memory of sums.  Out: dw's vectors, and where they stand.
#pragma once

#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/WinogradTransforms.h"

namespace cnnc {

/// How many channels, and how many outputs, a block has: the last one may have fewer.
mlir::Value channelsOf(KernelBuilder &k, const WinogradFilterGrad &f, mlir::Value channelBlock);
mlir::Value outputsOf(KernelBuilder &k, const WinogradFilterGrad &f, mlir::Value outputBlock, int64_t lanes);

/// Sums of `channels` channels x `outputs` outputs of a block, [cells][channels][outputs], from `from` on; their own begin at `firstChannel`, `firstOutput`.
struct WinogradSums {
  mlir::Value memory, from;
  int64_t row, cell; ///< elements from channel to channel, and from cell to cell
  mlir::Value channels, outputs;
  mlir::Value firstChannel, firstOutput;
  bool columnsEnd = false; ///< cells are [taps][side] of G^T dU
  /// Those of a whole block.
  static WinogradSums ofBlock(KernelBuilder &k, const WinogradFilterGrad &f, mlir::Value memory, mlir::Value from, mlir::Value channelBlock,
                              mlir::Value outputBlock, int64_t lanes);
};

/// dw of one channel of `s`: G^T (sum of the parts) G; `use` gets dw's lanes from output `lane` of the block on, at a tap.
void endChannel(KernelBuilder &k, const WinogradFilterGrad &f, WinogradTransforms &transforms, const WinogradSums &s, mlir::Value channel, int64_t lanes,
                llvm::function_ref<void(mlir::Value lane, int64_t tap, mlir::Value value)> use);

/// Where in dw an output of a block stands, at the first tap.
mlir::Value placeOf(KernelBuilder &k, const WinogradFilterGrad &f, mlir::Value channelBlock, mlir::Value channel, mlir::Value outputBlock, mlir::Value output,
                    int64_t lanes);

/// Stores the lanes of `value` that the filter block has, from its lane `inBlock` on.
void storeInBlock(KernelBuilder &k, const WinogradConv &c, StoreLanes store, mlir::Value value, mlir::Value to, mlir::Value inBlock, int64_t lanes);

} // namespace cnnc
