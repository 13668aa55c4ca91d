// Kernels for plain linalg.generic: elementwise programs and sums.
// In: a linalg.generic whose maps are the identity or a broadcast.  Out: the plan of its loops (samples, rows, channels) and the body.
#pragma once

#include "compiler/kernels/KernelBuilder.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace cnnc {

/// The iteration space as N samples x R rows x C contiguous elements; an operand's address is n*strideN + r*strideR + c*strideC.
struct NestPlan {
  enum class Mode {
    Map,              ///< elementwise
    ToChannels,       ///< sums over samples and rows; partial sums [pieces][C]
    ToScalar,         ///< sums over everything; partial sums [pieces]
    ToSamples,        ///< sums over a row: (N)
    ToSampleChannels, ///< sums over rows: (N,C)
  };
  struct Strides {
    int64_t n = 0, r = 0, c = 0;
  };
  mlir::linalg::GenericOp op;
  Mode mode = Mode::Map;
  int64_t N = 1, R = 1, C = 1;
  int64_t width = 1; ///< of the map, for linalg.index on rank 4: r = h*width + w
  enum class Cut { Samples, Rows, Elements } cut = Cut::Rows;
  int64_t perPiece = 1, pieces = 1;
  bool byImage = false; ///< pieces are whole images, or equal parts of images (ImageCut)
  llvm::SmallVector<Strides> operands; ///< inputs, then outputs
  /// Sums of f32 over many rows are kept in f64 between short runs of rows, as PyTorch's batch normalisation does on CPUs.
  bool wide = false;
  bool hasPartials() const { return (mode == Mode::ToChannels || mode == Mode::ToScalar) && pieces > 1; }
  int64_t resultElements() const;
  std::string text() const; ///< everything that the kernel is made from, for keys
};

/// `batch`: the extent of the first loop where that counts images.
mlir::FailureOr<NestPlan> planNest(mlir::linalg::GenericOp op, int64_t lanes, int64_t batch);

/// `arguments[i]`: the kernel buffer of the op's operand i (inputs, then outputs). Inputs that are scalar constants have none: -1, and the
/// value in `constants`.
void buildNest(KernelBuilder &k, const NestPlan &plan, llvm::ArrayRef<int> arguments);

/// Whether an elementwise program takes longer to run again than what it makes takes to store and read.
bool isCostly(mlir::linalg::GenericOp g);

/// The operation that joins two partial results: arith.addf or arith.maximumf.
mlir::FailureOr<mlir::Operation *> combinerOf(mlir::linalg::GenericOp op, unsigned result);

/// out[c] = the combination over p < parts of partial[p*C + c], in the partial sums' type, through `store`. Buffers: partial, out.
void buildCombine(KernelBuilder &k, bool isMax, int64_t parts, int64_t C, mlir::Type partial, mlir::Type out, StoreLanes store);
int64_t combinePieces(int64_t C);

} // namespace cnnc
