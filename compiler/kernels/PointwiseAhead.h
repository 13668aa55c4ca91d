// What a convolution by filters of one pixel asks for ahead: it reads and writes large maps with few products between, in short runs that no cache fetches
// by itself.
// In: GatherConv, how it is cut.  Out: prefetches between the products of a tile.
#pragma once

#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/KernelBuilder.h"
#include "compiler/target/Tiles.h"

namespace cnnc {

class PointwiseAhead {
public:
  /// A piece has `images` images, or `rows` rows of its one image, and all filters.
  PointwiseAhead(KernelBuilder &k, const GatherConv &c, mlir::Type element, int64_t images, int64_t rows) : k(k), c(c), lanes(k.lanes(element)) {
    const bool isStrided = c.sourceStepH > 1 || c.sourceStepW > 1;
    const int64_t enoughChannels = isStrided ? 16 : 32; // for products between what is asked for
    if (!isPointwise() || c.inChannels < enoughChannels)
      return;
    const int64_t bytes = k.target.vectorBytes / lanes, row = c.sourceStepH * c.IW * c.inChannels;
    const int64_t ofPiece = images == 1 ? rows * row : images * c.IH * c.IW * c.inChannels;
    if ((isStrided || c.inChannels >= c.outChannels) && c.N * c.IH * c.IW * c.inChannels * bytes > k.target.l2Bytes &&
        ofPiece * bytes / (c.sourceStepH * c.sourceStepW) <= k.target.l2Bytes / 2)
      inputs = ofPiece;
    asksForOutputs = c.N * c.OH * c.OW * c.outChannels * bytes > k.target.l2Bytes;
  }

  /// Asks in one of a tile's steps for what `pixels` pixels behind it are read from and written to. `block`: number of the filter block.
  void ask(mlir::Value x, mlir::Value xRow, mlir::Value y, mlir::Value out, int64_t pixels, mlir::Value block, const LaneChunk &chunk, mlir::Value step,
           int64_t steps) const {
    const int64_t line = elementsOfLine(k.target, lanes);
    if (inputs) { // with each pass over the piece, another part
      const int64_t ofPixel = c.sourceStepW > 1 ? (c.inChannels + line - 1) / line : 0; // 0: pixels follow each other
      const int64_t lines = ofPixel ? pixels * ofPixel : pixels * c.inChannels / line;
      mlir::Value first = k.div(k.mul(k.add(k.mul(block, c.block), chunk.start), lines), c.outChannels);
      shareOfStep(k, (lines * chunk.width + c.outChannels - 1) / c.outChannels, step, steps, [&](mlir::Value n) {
        mlir::Value number = k.add(first, n), at = k.mul(number, line);
        if (ofPixel)
          at = k.add(k.mul(k.div(number, ofPixel), c.sourceStepW * c.inChannels), k.mul(k.mod(number, ofPixel), line));
        k.prefetch(x, k.add(k.add(xRow, inputs), at));
      });
    }
    if (asksForOutputs) {
      const int64_t lines = (chunk.vectors * lanes + line - 1) / line; // of a pixel
      shareOfStep(k, pixels * lines, step, steps, [&](mlir::Value n) {
        mlir::Value pixel = k.add(k.div(n, lines), pixels);
        k.prefetch(y, k.add(k.add(out, k.mul(pixel, c.outChannels)), k.mul(k.mod(n, lines), line)), KernelBuilder::Second, /*isWrite=*/true);
      });
    }
  }

private:
  KernelBuilder &k;
  const GatherConv &c;
  int64_t lanes;
  int64_t inputs = 0;          ///< elements from a tile's pixels to those of the next piece that it asks for; 0: it asks for none
  bool asksForOutputs = false; ///< of the next tile

  bool isPointwise() const {
    auto isOne = [](const std::vector<Phase> &phases, int64_t side) {
      return phases.size() == 1 && phases[0].taps.size() == 1 && phases[0].taps[0].offset == 0 && phases[0].count == side;
    };
    return isOne(c.rows, c.OH) && isOne(c.columns, c.OW) && c.groups == 1 && !c.pairs && !c.sums;
  }
};

} // namespace cnnc
