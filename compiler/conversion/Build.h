// Small builders that the families share: filled outputs, generics from a body, scalar arithmetic with contraction allowed.
// In: shapes and closures.  Out: linalg operations.
#pragma once

#include "compiler/conversion/Conversion.h"
#include "compiler/dialect/Cnn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace cnnc::conversion {
using namespace mlir;

inline Value emptyTensor(OpBuilder &b, Location loc, ArrayRef<int64_t> shape, Type element) {
  return tensor::EmptyOp::create(b, loc, shape, element);
}
inline Value scalarConstant(OpBuilder &b, Location loc, Type type, double value) {
  return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
}
inline Value filledTensor(OpBuilder &b, Location loc, ArrayRef<int64_t> shape, Type element, double value) {
  return linalg::FillOp::create(b, loc, scalarConstant(b, loc, element, value), emptyTensor(b, loc, shape, element)).getResult(0);
}

/// Scalar arithmetic inside bodies; every operation allows contraction to fused multiply-add.
struct Scalar {
  OpBuilder &b;
  Location loc;
  arith::FastMathFlags flags = arith::FastMathFlags::contract;

  Value add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y, flags); }
  Value sub(Value x, Value y) { return arith::SubFOp::create(b, loc, x, y, flags); }
  Value mul(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y, flags); }
  Value div(Value x, Value y) { return arith::DivFOp::create(b, loc, x, y, flags); }
  Value max(Value x, Value y) { return arith::MaximumFOp::create(b, loc, x, y, flags); }
  Value exp(Value x) { return math::ExpOp::create(b, loc, x, flags); }
  Value log(Value x) { return math::LogOp::create(b, loc, x, flags); }
  Value sqrt(Value x) { return math::SqrtOp::create(b, loc, x, flags); }
  Value constant(Type type, double v) { return scalarConstant(b, loc, type, v); }
  /// 1/sqrt(v + eps)
  Value inverseStd(Value v, double eps) {
    return div(constant(v.getType(), 1.0), sqrt(add(v, constant(v.getType(), eps))));
  }
};

using Body = llvm::function_ref<SmallVector<Value>(Scalar &, ValueRange)>;

/// A linalg.generic over `iterators` ("p" or "r" a loop); inputs and outputs with their maps in one list.
inline linalg::GenericOp generic(OpBuilder &b, Location loc, ValueRange inputs, ValueRange outputs, ArrayRef<AffineMap> maps,
                                 StringRef iterators, Body body) {
  SmallVector<utils::IteratorType> kinds;
  for (char c : iterators)
    kinds.push_back(c == 'p' ? utils::IteratorType::parallel : utils::IteratorType::reduction);
  SmallVector<Type> results;
  for (Value o : outputs)
    results.push_back(o.getType());
  return linalg::GenericOp::create(b, loc, results, inputs, outputs, maps, kinds,
                                   [&](OpBuilder &inner, Location l, ValueRange args) {
                                     Scalar s{inner, l};
                                     linalg::YieldOp::create(inner, l, body(s, args));
                                   });
}

inline void annotate(Operation *op, StringRef kernel, const WindowGeometry &g) {
  op->setAttr("cnn.kernel", StringAttr::get(op->getContext(), kernel));
  op->setAttr("cnn.geometry", g.toAttr(op->getContext()));
}

inline RankedTensorType tensorType(Value v) { return cast<RankedTensorType>(v.getType()); }

inline bool isPadded(const WindowGeometry &g) { return g.PT || g.PL || g.PB || g.PR; }
inline SmallVector<int64_t> paddedShape(const WindowGeometry &g, int64_t channels) {
  return {g.N, g.H + g.PT + g.PB, g.W + g.PL + g.PR, channels};
}
/// (N,H,W,channels) with the window's padding filled with `value`.
inline Value padMap(OpBuilder &b, Location loc, Value x, const WindowGeometry &g, double value) {
  if (!isPadded(g))
    return x;
  auto t = tensorType(x);
  auto index = [&](int64_t v) -> OpFoldResult { return b.getIndexAttr(v); };
  return tensor::PadOp::create(b, loc, RankedTensorType::get(paddedShape(g, t.getShape()[3]), t.getElementType()), x,
                               SmallVector<OpFoldResult>{index(0), index(g.PT), index(g.PL), index(0)},
                               SmallVector<OpFoldResult>{index(0), index(g.PB), index(g.PR), index(0)},
                               scalarConstant(b, loc, t.getElementType(), value));
}
/// The map inside a padded one: what a gradient that was scattered with its padding keeps.
inline Value interior(OpBuilder &b, Location loc, Value padded, const WindowGeometry &g) {
  if (!isPadded(g))
    return padded;
  auto index = [&](int64_t v) -> OpFoldResult { return b.getIndexAttr(v); };
  return tensor::ExtractSliceOp::create(b, loc, padded, {index(0), index(g.PT), index(g.PL), index(0)},
                                        {index(g.N), index(g.H), index(g.W), index(g.C)}, {index(1), index(1), index(1), index(1)});
}

} // namespace cnnc::conversion
