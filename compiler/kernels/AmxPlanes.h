// A piece's rows of a map, as bf16 with the padding around them, in memory of its own.
// In: a map of f32 or bf16, what taps reach of it.  Out: planes, one for each residue of the stride, in each of which the pixels that a tap reads
// follow one another from output to output.
#pragma once

#include "compiler/kernels/Contractions.h"

namespace cnnc {

/// What the taps of all phases reach along an axis, from its lowest offset on.
struct Reach {
  int64_t lowest = 0, span = 0; ///< offsets lowest .. lowest + span
  int64_t step = 1, residues = 1;
  int64_t count = 0; ///< outputs of the longest phase

  Reach() = default;
  Reach(int64_t lowest, int64_t span, int64_t step, int64_t count)
      : lowest(lowest), span(span), step(step), residues(std::min(step, span + 1)), count(count) {}
  static Reach of(const std::vector<Phase> &phases, int64_t step);
  int64_t lines(int64_t outputs) const { return outputs + span / step; }
  int64_t residue(int64_t offset) const { return (offset - lowest) % step; }
  int64_t line(int64_t offset) const { return (offset - lowest) / step; }
};

/// The extents of planes, and their filling. A plane is [images][height][width][channels].
struct Planes {
  Reach rows, columns;
  int64_t IH = 1, IW = 1, xChannels = 1; ///< the map
  int64_t channels = 1;                  ///< of a plane's pixel
  int64_t images = 1, outRows = 1;       ///< outputs whose reach a filling holds
  int64_t width = 1;                     ///< pixels of a plane's row, at least columns.lines(columns.count)
  int64_t terms = 1;                     ///< bf16 that make an element; the second ones stand behind all the first
  int64_t slack = 0;                     ///< pixels behind the last one

  int64_t height() const { return rows.lines(outRows); }
  int64_t planePixels() const { return images * height() * width; }
  int64_t pixels() const { return rows.residues * columns.residues * planePixels() + slack; }
  int64_t termElements() const { return pixels() * channels; }
  int64_t bytes() const { return termElements() * terms * 2; }

  /// Fills the planes of `imageCount` images from `firstImage` on, whose outputs begin at row `firstRow` of a phase, with all channels of the map.
  void fill(KernelBuilder &k, mlir::Value x, mlir::Value planes, mlir::Value firstImage, mlir::Value imageCount, mlir::Value firstRow) const {
    fill(k, x, planes, firstImage, imageCount, firstRow, k.constant(0), {});
  }
  /// With the channels firstChannel .. firstChannel + count, a multiple of 16.
  void fill(KernelBuilder &k, mlir::Value x, mlir::Value planes, mlir::Value firstImage, mlir::Value imageCount, mlir::Value firstRow,
            mlir::Value firstChannel, mlir::Value count) const;
  /// Zeros from the pixel `first` of all terms on.
  void clear(KernelBuilder &k, mlir::Value planes, int64_t first) const;
};

} // namespace cnnc
