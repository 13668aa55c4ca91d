// What kernels of dense layers share: a matrix's columns in strips of chunks of two vectors, which a register tile has for each of its rows; and the tiles.
// In: extents.  Out: loops.
#pragma once

#include "compiler/kernels/KernelBuilder.h"
#include "compiler/target/Tiles.h"

#include <algorithm>

namespace cnnc {

class DenseStrips {
public:
  /// Of at most `widest` columns; at least `fewest` strips where the matrix is wide enough.
  DenseStrips(KernelBuilder &k, int64_t columns, int64_t lanes, int64_t widest, int64_t fewest)
      : k(k), columns(columns), lanes(lanes), chunk(2 * lanes), width(std::clamp((columns / fewest + chunk - 1) / chunk * chunk, chunk, widest)) {}

  int64_t count() const { return (columns + width - 1) / width; }
  /// Of a strip, at most, for scratch memory.
  int64_t chunks() const { return width / chunk; }
  int64_t chunkWidth() const { return chunk; }
  mlir::Value firstColumn(mlir::Value strip) { return k.mul(strip, width); }

  /// body(number of the chunk in the strip, its first column, lanes of each of its vectors); the last chunk may be narrower.
  void each(mlir::Value strip, llvm::function_ref<void(mlir::Value, mlir::Value, llvm::ArrayRef<int64_t>)> body) {
    const int64_t whole = columns / chunk * chunk;
    mlir::Value first = k.mul(strip, width), end = k.add(first, width);
    const int64_t full[] = {lanes, lanes};
    k.loop(first, k.min(end, k.constant(whole)), chunk, [&](mlir::Value column) { body(k.div(k.sub(column, first), chunk), column, full); });
    if (whole == columns)
      return;
    llvm::SmallVector<int64_t> widths;
    for (int64_t left = columns - whole; left > 0; left -= lanes)
      widths.push_back(std::min(left, lanes));
    k.when(k.less(k.constant(whole), end), [&] { body(k.div(k.sub(k.constant(whole), first), chunk), k.constant(whole), widths); });
  }

private:
  KernelBuilder &k;
  int64_t columns, lanes, chunk, width;
};

/// Rows of a register tile of two vectors a row.
inline int64_t denseTileRows(const TargetInfo &target) {
  constexpr int64_t enough = 14;
  return std::clamp<int64_t>((target.registers - 4) / 2, 1, enough);
}


/// Loops over `extent` rows in even tiles of at most `limit`, each of a size known when it is emitted: body(first row, rows, whether it fills the panel that
/// the others read). The first tile does where `firstFills`.
inline void denseTiles(KernelBuilder &k, int64_t extent, int64_t limit, bool firstFills, llvm::function_ref<void(mlir::Value, int64_t, bool)> body) {
  const auto heights = evenSplit(extent, limit);
  int64_t at = 0;
  for (size_t h = 0; h < heights.size();) {
    size_t same = h;
    while (same < heights.size() && heights[same] == heights[h])
      ++same;
    const int64_t height = heights[h], end = at + height * int64_t(same - h);
    const bool fills = firstFills && at == 0;
    if (fills)
      body(k.constant(0), height, true);
    k.loop(k.constant(fills ? height : at), k.constant(end), height, [&](mlir::Value row) { body(row, height, false); });
    at = end, h = same;
  }
}

} // namespace cnnc
