// The multiply-adds of a contraction: of single elements, or of pairs of bf16 along the axis that is summed.
// In: KernelBuilder, buffers whose indices count elements or pairs.  Out: vectors; sums are f32 or f64.
#pragma once

#include "compiler/kernels/KernelBuilder.h"

namespace cnnc {

/// With pairs, an axis of C elements is one of C/2 units, and everything else stays as it is.
class Products {
public:
  Products(KernelBuilder &k, bool pairs, int64_t lanes) : k(k), pairs(pairs), lanes(lanes) {}

  /// `width` units at buffer[index].
  mlir::Value load(mlir::Value buffer, mlir::Value index, int64_t width) const {
    return pairs ? k.loadPairs(buffer, index, lanes, width) : k.load(buffer, index, lanes, width);
  }
  /// The unit at buffer[index] in all lanes.
  mlir::Value splat(mlir::Value buffer, mlir::Value index) const {
    return pairs ? k.splatPair(buffer, index, lanes) : k.splat(k.loadScalar(buffer, index), lanes);
  }
  /// sum + x y
  mlir::Value add(mlir::Value x, mlir::Value y, mlir::Value sum) const { return pairs ? k.dot(x, y, sum) : k.fma(x, y, sum); }
  /// Multiply-adds of one unit and lane.
  int64_t perUnit() const { return pairs ? 2 : 1; }

private:
  KernelBuilder &k;
  bool pairs;
  int64_t lanes;
};

} // namespace cnnc
