// Kernels whose work is multiply-adds: convolution, dense layers, their gradients, and the packing that they need.
// In: a KernelBuilder and a description of extents, strides and taps.  Out: the kernel's body, and the number of its pieces.
#pragma once

#include "compiler/conversion/Conversion.h"
#include "compiler/kernels/KernelBuilder.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace cnnc {
struct Ending;
class Results;

/// One tap of a filter along an axis: filter cell `k` reads the source at (output index)*sourceStep + offset.
struct Tap {
  int64_t k, offset;
};

/// The outputs start, start+step, ... (count of them) of an axis, which share their taps (sorted by offset).
/// A convolution has one phase an axis; its input gradient has one for each residue of the stride.
struct Phase {
  int64_t start = 0, step = 1, count = 0;
  std::vector<Tap> taps;
};

/// y[n,i,j,g,o] = sum over taps k,l and channels c of x[n, i'+off(k), j'+off(l), g, c] * w[g,o,k,l,c]: forward convolution, its input
/// gradient and dense layers alike.
struct GatherConv {
  int64_t N = 1;
  int64_t OH = 1, OW = 1, outChannels = 1; ///< the map that is written
  int64_t IH = 1, IW = 1, inChannels = 1;  ///< the map that is read
  int64_t sourceStepH = 1, sourceStepW = 1;
  std::vector<Phase> rows, columns;
  int64_t groups = 1;
  int64_t block = 1; ///< lanes of one filter block; divides outChannels / groups
  // Strides of the filter in elements: from block to block, per tap row, tap column and input channel; lanes are contiguous.
  int64_t wBlock = 0, wRow = 0, wColumn = 0, wChannel = 0;
  /// The same filter with `to` elements from row of lanes to row instead of `from`.
  void setFilterRows(int64_t from, int64_t to) {
    for (int64_t *stride : {&wBlock, &wRow, &wColumn, &wChannel})
      *stride = *stride / from * to;
  }
  bool pairs = false; ///< inChannels, the filter's strides and the buffers x and w count pairs of bf16 along the input channels
  /// With pairs: x and w are f32, each the sum of two bf16, of which three products are made. w holds the high parts, then the low ones; so does x
  /// where it is bf16, else the pieces take it apart.
  bool split = false;
  int64_t sourceBlock = 0; ///< input gradient: the filter is given as the forward convolution has it, in blocks of so many of its outputs, and transposed by each piece

  /// N rows of inChannels (elements) to outChannels: a map of one pixel an image. The filter's strides are the caller's.
  static GatherConv ofRows(int64_t N, int64_t inChannels, int64_t outChannels, int64_t block, bool pairs);
  /// Forward: filter [O/block][KH][KW][C/G][block].
  static GatherConv forward(const WindowGeometry &g, bool pairs = false);
  /// Input gradient: filter packed as [C/block][KH][KW][O/G][block].
  static GatherConv inputGrad(const WindowGeometry &g, int64_t block, bool pairs = false);
  /// The same where results are few: `sums`, the filter as the forward convolution has it; wChannel is the stride from result to result.
  static GatherConv inputGradOfSums(const WindowGeometry &g);
  /// Whether an input gradient's pieces may transpose their filters themselves: each has a block of them that no other piece needs.
  bool mayTranspose(const TargetInfo &target, int64_t lanes, int64_t sourceBlock) const;
  bool sums = false; ///< vectors run along inChannels, whose products are summed at the end: for results too few to fill a vector
  uint64_t flops() const;
};
/// A run of tiles of one width along an output row in which every tap reaches the same pixels.
struct ColumnRun {
  int64_t first, width, tiles; ///< tiles = 0: a single one at an edge
  /// Whether tap `offset` reaches the pixel of output first + q.
  bool reaches(const GatherConv &c, int64_t q, int64_t offset) const {
    int64_t column = (first + q) * c.sourceStepW + offset;
    return tiles || (column >= 0 && column < c.IW);
  }
};
std::vector<ColumnRun> columnRuns(const GatherConv &c, const Phase &columns, int64_t widest);

/// The taps lo <= t < hi of an axis that fall into the source for output i of a phase.
struct ReachedTaps {
  mlir::Value base, lo, hi;
  int64_t stride, k, kStride;
  mlir::Value source(KernelBuilder &builder, mlir::Value t) const { return builder.add(base, builder.mul(t, stride)); } ///< what t reads
  mlir::Value cell(KernelBuilder &builder, mlir::Value t) const { return builder.add(builder.mul(t, kStride), k); }     ///< of the filter
};
/// `step`: of the source from output to output; `extent`: of the source.
ReachedTaps reachedTaps(KernelBuilder &builder, const Phase &phase, int64_t step, int64_t extent, mlir::Value i);

/// The sum of the lanes of each of as many vectors as they have lanes, in their order: halves of two vectors are added and stand side by side in
/// one, until one vector is left.
mlir::Value sumsOfLanes(KernelBuilder &k, llvm::SmallVector<mlir::Value> vectors);
/// Channels whose filters are asked for ahead where they come from memory.
constexpr int64_t filtersAhead = 48;
/// Filters that are transposed on their way have short runs of lines far apart, of which memory gives many at once or few in a time: so many runs.
constexpr int64_t runsAhead = 12;
/// Vectors side by side that a line of the caches holds, at least one: of so many, one is asked for.
inline int64_t vectorsOfLine(const TargetInfo &target) { return std::max<int64_t>(1, TargetInfo::lineBytes / target.vectorBytes); }
/// Elements in a line, of which a vector has `lanes`.
inline int64_t elementsOfLine(const TargetInfo &target, int64_t lanes) { return TargetInfo::lineBytes * lanes / target.vectorBytes; }
/// Of a buffer, as it is stored.
inline int64_t elementsOfLine(mlir::Value buffer) {
  return TargetInfo::lineBytes * 8 / mlir::cast<mlir::MemRefType>(buffer.getType()).getElementTypeBitWidth();
}
/// Whether a buffer is larger than the second-level cache.
inline bool isFar(const TargetInfo &target, mlir::Value buffer) {
  return mlir::cast<mlir::MemRefType>(buffer.getType()).getNumElements() / elementsOfLine(buffer) * TargetInfo::lineBytes > target.l2Bytes;
}
/// In step number `step` of `steps`, its share of so many lines: `use(number)`; some lines fall into several steps where they are fewer.
inline void shareOfStep(KernelBuilder &k, int64_t lines, mlir::Value step, int64_t steps, llvm::function_ref<void(mlir::Value)> use) {
  const int64_t ofStep = (lines + steps - 1) / steps;
  for (int64_t t = 0; t < ofStep; ++t)
    use(ofStep > 1 ? k.add(k.mul(step, ofStep), t) : lines == steps ? step : k.div(k.mul(step, lines), steps));
}
/// Whether a tile is the whole map of one image: rows are short, and each filter is read once for all of them.
bool takesWholeMap(const GatherConv &c, int64_t lanes);
/// That tile, for the block of filters at wBase.
void wholeMap(KernelBuilder &k, const GatherConv &c, mlir::Type element, mlir::Value n, mlir::Value wBase, mlir::Value outBase, Results &results);
/// Buffers: x, w, y, those of the epilogue.
int64_t buildGatherConv(KernelBuilder &k, const GatherConv &c, mlir::Type element, const Ending &ending);
/// Whether its pieces are cut as ImageCut says.
bool gatherIsByImage(const GatherConv &c, const TargetInfo &target, int64_t lanes);

/// The sums of a filter's gradient as a chain makes them: a piece has some images, and adds to what the pieces of its stripe before it have left.
/// Stripes are added up behind the chain.
struct GradStripes {
  int64_t imagesOfPiece = 0, imagesOfStripe = 0; ///< powers of two; 0: pieces are cut otherwise
  explicit operator bool() const { return imagesOfPiece; }
  /// Of N images of `work` units each, of which a piece has at least `leastWork`; none where that leaves too few stripes for threads to share.
  static GradStripes of(int64_t N, int64_t work, int64_t leastWork);
  int64_t pieces(int64_t N) const { return (N + imagesOfPiece - 1) / imagesOfPiece; }
  int64_t count(int64_t N) const { return (N + imagesOfStripe - 1) / imagesOfStripe; }
  /// Whether a gradient of so many bytes stays in the caches beside the maps.
  static bool mayHold(int64_t bytes) { return bytes <= 768 << 10; }
};

/// dw[ob,k,l,c,lane] = sum over n,i,j of x[n, i*SH+k*DH-PT, j*SW+l*DW-PL, c] * dy[n,i,j, ob*block+lane].
struct FilterGrad {
  int64_t N = 1, H = 1, W = 1, xChannels = 1, OH = 1, OW = 1, yChannels = 1;
  int64_t KH = 1, KW = 1, SH = 1, SW = 1, DH = 1, DW = 1, PT = 0, PL = 0;
  int64_t groups = 1, block = 1;
  int64_t wBlock = 0, wRow = 0, wColumn = 0, wChannel = 0; ///< strides of dw in elements
  int64_t parts = 1;                                      ///< partial sums over images; with more than one, dw is [parts][size]
  bool atOnce = false;                                    ///< a part is one block of pixels, whatever the tiles' choice
  bool pairs = false; ///< columns of x and dy are pairs of bf16: W, OW and SW count in them, and padding is stored
  GradStripes stripes; ///< dw is [stripes][size]
  int64_t size() const { return yChannels * KH * KW * (xChannels / groups); }
  static FilterGrad of(const WindowGeometry &g);
  /// With pairs of pixels: x packed as packX() says, dy as packDy().
  static FilterGrad ofPairs(const WindowGeometry &g);
  uint64_t flops() const { return (pairs ? 4ull : 2ull) * N * OH * OW * yChannels * KH * KW * (xChannels / groups); }
  int64_t pieces() const;
  /// Whether a part is one block of pixels by rule: a tile's sums are whole then when they are stored, otherwise dw keeps them in between.
  bool mayBeAtOnce(const TargetInfo &target) const;
};
/// Buffers: x, dy, dw. The gradients in this file go through `store`, from where they begin to be dw's.
void buildFilterGrad(KernelBuilder &k, const FilterGrad &f, mlir::Type element, StoreLanes store);
/// The gradient of a filter that covers one pixel, whose maps a piece copies into panels.
struct PointwiseFilterGrad {
  FilterGrad f;              ///< its parts or stripes tell what pieces sum up
  int64_t channels = 1;      ///< of a piece
  int64_t blocks = 1;        ///< of a piece: filter blocks
  int64_t pixels = 1;        ///< of a panel
  /// Whether f is such a gradient, and pixels of its maps would drive each other out of the first-level cache where they stand.
  static bool pays(const FilterGrad &f, int64_t elementBytes);
  static PointwiseFilterGrad of(const FilterGrad &f);
  int64_t images() const { return f.stripes ? f.stripes.imagesOfPiece : (f.N + f.parts - 1) / f.parts; } ///< of a piece
  int64_t channelBlocks() const { return (f.xChannels + channels - 1) / channels; }
  int64_t outputBlocks() const { return (f.yChannels / f.block + blocks - 1) / blocks; }
  int64_t pieces() const { return f.stripes ? f.stripes.pieces(f.N) : f.parts * channelBlocks() * outputBlocks(); }
};
/// Buffers: x, dy, dw.
void buildPointwiseFilterGrad(KernelBuilder &k, const PointwiseFilterGrad &p, mlir::Type element, StoreLanes store);
/// How many partial sums: enough pieces for many threads without partial sums larger than the caches.
int64_t filterGradParts(const FilterGrad &f, int64_t elementBytes);

/// y[n,o] = sum_i x[n,i] w[o,i] for few rows n: the vectors run along i. Buffers: x, w, y. Returns the pieces.
int64_t buildDenseDot(KernelBuilder &k, int64_t N, int64_t I, int64_t O, mlir::Type element, const Ending &ending);
/// The same for many rows: a panel of the weights is read again and again. `pairs`: I counts pairs, which bf16 holds in x.
int64_t buildDenseDots(KernelBuilder &k, int64_t N, int64_t I, int64_t O, mlir::Type element, bool pairs, const Ending &ending);
/// dw[o,i] = sum_n dy[n,o] x[n,i]. Buffers: x, dy, dw. Returns the pieces.
int64_t buildDenseFilterGrad(KernelBuilder &k, int64_t N, int64_t I, int64_t O, mlir::Type element, StoreLanes store);
/// Whether sums over so many rows are whole when they are stored.
bool denseFilterGradIsAtOnce(int64_t N);
/// c[n,j] = sum_i a[n,i] b[i,j] of N rows.
struct DenseRows {
  int64_t N, I, columns;
  bool turned = false; ///< b is given as [columns][I]
  /// Whether the kernel can do it, and rows are many enough where it transposes b.
  bool pays(int64_t lanes) const;
};
/// Returns the pieces.
int64_t buildDenseRows(KernelBuilder &k, const DenseRows &d, mlir::Type element, mlir::Value a, mlir::Value b, mlir::Value c, const Ending &ending);

/// Packs rows of a matrix two by two: target[group][i][c] = (source[group][first + i*step][c], the same of the row `second` further), as
/// bf16, for i < count, c < width; rows that the source does not have are zero. Buffers: source, target. Returns the pieces.
struct PairPacking {
  int64_t groups = 1; ///< matrices, one behind the other
  int64_t rows = 1, width = 1;
  int64_t count = 1, first = 0, step = 2, second = 1;
  bool split = false; ///< what rounding to bf16 leaves over, rounded likewise, stands behind all that
  int64_t images = 0; ///< of a map: pieces are cut as ImageCut says
  /// Neighbouring rows, of which the last has zeros beside it where the number is odd.
  static PairPacking neighbours(int64_t groups, int64_t rows, int64_t width, bool split = false) {
    return {groups, rows, width, (rows + 1) / 2, 0, 2, 1, split};
  }
  int64_t sourceElements() const { return groups * rows * width; }
  int64_t targetElements() const { return groups * count * width * 2 * (split ? 2 : 1); }
  std::string text() const;
};
int64_t buildPairPacking(KernelBuilder &k, const PairPacking &p);
/// target[i] = bf16(source[i]), target[elements + i] = bf16(source[i] - target[i]). Buffers: source, target. Returns the pieces.
int64_t buildSplit(KernelBuilder &k, int64_t elements);
/// What FilterGrad::ofPairs reads.
PairPacking packX(const WindowGeometry &g);
PairPacking packDy(const WindowGeometry &g);

/// A set of transpositions: for each index of `loops` (extent, source stride, target stride), target[s*targetRow + r] =
/// source[r*sourceRow + s] for r < rows, s < columns. One piece an index of the outermost loop. Buffers: source, target.
struct Transposition {
  struct Loop {
    int64_t extent, source, target;
  };
  std::vector<Loop> loops;
  int64_t rows, columns, sourceRow, targetRow;
  bool pairs = false; ///< the target's elements are pairs of bf16, of neighbours in a row of the source: columns and the target's strides count them
  bool split = false; ///< what rounding to bf16 leaves over, rounded likewise, stands behind all that
  /// The same in pairs; columns, and all strides of the target but targetRow, are even.
  Transposition inPairs(bool split) const;
  int64_t targetElements() const;
  std::string text() const; ///< all numbers, for keys
};
/// Numbers as text, for keys.
std::string textOf(llvm::ArrayRef<int64_t> numbers);
/// target[to + s*targetRow + r] = source[from + r*sourceRow + s] for r, s < lanes; of rows that the source does not have, the last one stands in.
void transposeTile(KernelBuilder &k, mlir::Value source, mlir::Value from, int64_t sourceRow, mlir::Value target, mlir::Value to, int64_t targetRow, mlir::Type element,
                   int64_t rows = std::numeric_limits<int64_t>::max());
/// From [outputs][channels] at `from` to [channels][outputs], rows of `outputs`, at `to`, by squares; both are whole vectors.
void transposeRun(KernelBuilder &k, mlir::Value source, mlir::Value from, int64_t outputs, int64_t channels, mlir::Value target, mlir::Value to, mlir::Type element);
/// q vectors whose 128-bit parts each hold q elements: the q x q square in each part transposed.
llvm::SmallVector<mlir::Value> transposedQuarters(KernelBuilder &k, llvm::SmallVector<mlir::Value> v);
int64_t buildTransposition(KernelBuilder &k, const Transposition &t, mlir::Type element);

/// The filter [O/block][KH][KW][C/G][block] as [C/block'][KH][KW][O/G][row], what the input gradient reads: lanes block' of a row.
Transposition filterTransposition(const WindowGeometry &g, int64_t gradBlock, int64_t row);

} // namespace cnnc
