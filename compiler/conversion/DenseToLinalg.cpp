// Dense layers and their two gradients -> linalg.generic over (n, o, i).
// In: cnn.dense, cnn.dense_input_grad, cnn.dense_filter_grad; weights (O,I).  Out: one generic each.
#include "compiler/conversion/Build.h"

namespace cnnc::conversion {
namespace {

struct Maps {
  AffineMap x, w, y;
};
Maps denseMaps(MLIRContext *context) {
  AffineExpr n, o, i;
  bindDims(context, n, o, i);
  return {AffineMap::get(3, 0, {n, i}, context), AffineMap::get(3, 0, {o, i}, context), AffineMap::get(3, 0, {n, o}, context)};
}

/// O units, C inputs.
WindowGeometry denseGeometry(int64_t n, int64_t inputs, int64_t units) {
  WindowGeometry g;
  g.N = n, g.C = inputs, g.O = units;
  return g;
}

SmallVector<Value> multiplyAdd(Scalar &s, ValueRange a) { return {s.add(a[2], s.mul(a[0], a[1]))}; }

template <typename Op>
struct DensePattern : OpConversionPattern<Op> {
  using OpConversionPattern<Op>::OpConversionPattern;
  LogicalResult matchAndRewrite(Op op, typename Op::Adaptor adaptor, ConversionPatternRewriter &b) const override {
    Maps m = denseMaps(b.getContext());
    auto result = cast<RankedTensorType>(op->getResult(0).getType());
    Value init = filledTensor(b, op.getLoc(), result.getShape(), result.getElementType(), 0);
    auto operands = adaptor.getOperands();
    auto shape = [&](unsigned i) { return tensorType(operands[i]).getShape(); };
    linalg::GenericOp out;
    if constexpr (std::is_same_v<Op, cnn::DenseOp>) { // x (N,I), w (O,I)
      out = generic(b, op.getLoc(), operands, init, {m.x, m.w, m.y}, "ppr", multiplyAdd);
      annotate(out, "dense", denseGeometry(shape(0)[0], shape(0)[1], shape(1)[0]));
    } else if constexpr (std::is_same_v<Op, cnn::DenseInputGradOp>) { // w (O,I), dy (N,O)
      out = generic(b, op.getLoc(), operands, init, {m.w, m.y, m.x}, "prp", multiplyAdd);
      annotate(out, "dense_input_grad", denseGeometry(shape(1)[0], shape(0)[1], shape(0)[0]));
    } else { // x (N,I), dy (N,O)
      out = generic(b, op.getLoc(), operands, init, {m.x, m.y, m.w}, "rpp", multiplyAdd);
      annotate(out, "dense_filter_grad", denseGeometry(shape(0)[0], shape(0)[1], shape(1)[1]));
    }
    b.replaceOp(op, out.getResult(0));
    return success();
  }
};

} // namespace

void populateDense(TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<DensePattern<cnn::DenseOp>, DensePattern<cnn::DenseInputGradOp>, DensePattern<cnn::DenseFilterGradOp>>(
      converter, patterns.getContext());
}

} // namespace cnnc::conversion
