// Kernels for plain linalg.generic: elementwise programs and sums.
// In: a linalg.generic whose maps are the identity, a broadcast, or have one element a window.  Out: the plan of its loops (samples, rows, channels)
// and the body.
#pragma once

#include "compiler/kernels/KernelBuilder.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace cnnc {

/// Windows of rows x columns pixels that lie side by side and cover a map.
struct PixelWindows {
  int64_t rows = 1, columns = 1;
  int64_t across = 1; ///< windows beside each other
  int64_t cells() const { return rows * columns; }
  bool operator==(const PixelWindows &o) const { return rows == o.rows && columns == o.columns && across == o.across; }
  bool operator!=(const PixelWindows &o) const { return !(*this == o); }
};

/// The windows of which some operands of a generic on (n, h, w, c) have one element each: maps (n, h floordiv rows, w floordiv columns, c).
/// A map (h mod rows, w mod columns) reads a table of the cells. Failure where operands disagree; one cell: there are none.
mlir::FailureOr<PixelWindows> windowsOf(mlir::linalg::GenericOp op);

/// The iteration space as N samples x R rows x C contiguous elements; an operand's address is n*strideN + r*strideR + c*strideC.
/// With windows R counts those, and each is its cells, one behind the other.
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
    enum class Of { Pixels, Windows, Cells } of = Of::Pixels; ///< what r counts. Cells: the operand is the number of the cell
  };
  mlir::linalg::GenericOp op;
  Mode mode = Mode::Map;
  int64_t N = 1, R = 1, C = 1;
  PixelWindows windows;
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

/// `arguments[i]`: the kernel buffer of the op's operand i (inputs, then outputs); of a table of cells none is asked.
void buildNest(KernelBuilder &k, const NestPlan &plan, llvm::ArrayRef<int> arguments);

/// Whether an elementwise program takes longer to run again than what it makes takes to store and read.
bool isCostly(mlir::linalg::GenericOp g);

/// The operation that joins two partial results: arith.addf or arith.maximumf.
mlir::FailureOr<mlir::Operation *> combinerOf(mlir::linalg::GenericOp op, unsigned result);

/// out[c] = the combination over p < parts of partial[p*C + c], in the partial sums' type, through `store`. Buffers: partial, out.
void buildCombine(KernelBuilder &k, bool isMax, int64_t parts, int64_t C, mlir::Type partial, mlir::Type out, StoreLanes store);
int64_t combinePieces(int64_t C);

} // namespace cnnc
