// Pooling and its gradients -> linalg.generic over (n,oh,ow,c,kh,kw).
// In: cnn.maxpool, cnn.avgpool and their gradients.  Out: tensor.pad + one generic; gradients scatter into a padded map and cut it.
#include "compiler/conversion/Build.h"

#include <limits>

namespace cnnc::conversion {
namespace {

template <typename PoolLike>
WindowGeometry poolGeometry(PoolLike op, ArrayRef<int64_t> x, ArrayRef<int64_t> y) {
  WindowGeometry g;
  g.N = x[0], g.C = g.O = x[1], g.H = x[2], g.W = x[3];
  g.OH = y[2], g.OW = y[3];
  g.KH = op.getKernel()[0], g.KW = op.getKernel()[1];
  g.SH = op.getStrides()[0], g.SW = op.getStrides()[1];
  g.PT = op.getPads()[0], g.PL = op.getPads()[1], g.PB = op.getPads()[2], g.PR = op.getPads()[3];
  if constexpr (std::is_same_v<PoolLike, cnn::AvgPoolOp> || std::is_same_v<PoolLike, cnn::AvgPoolGradOp>) {
    g.UH = op.getUncounted()[0], g.UW = op.getUncounted()[1];
    g.countPad = op.getCountPad();
  }
  return g;
}

struct Maps {
  AffineMap x, y, window, position;
};
Maps poolMaps(MLIRContext *context, const WindowGeometry &g) {
  AffineExpr n, oh, ow, c, kh, kw;
  bindDims(context, n, oh, ow, c, kh, kw);
  return {AffineMap::get(6, 0, {n, oh * g.SH + kh, ow * g.SW + kw, c}, context), AffineMap::get(6, 0, {n, oh, ow, c}, context),
          AffineMap::get(6, 0, {kh, kw}, context), AffineMap::get(6, 0, {oh, ow}, context)};
}

/// 1 / (cells that count) of every window, (OH,OW): with count_pad the cells of the declared padding count, ceil's extra never do.
Value reciprocalCounts(OpBuilder &b, Location loc, const WindowGeometry &g, Type element) {
  auto count = [&](int64_t o, int64_t K, int64_t S, int64_t before, int64_t side, int64_t after, int64_t extra) {
    int64_t lo = o * S - before, hi = std::min(lo + K, side + after - extra);
    if (!g.countPad)
      lo = std::max<int64_t>(lo, 0), hi = std::min(hi, side);
    return std::max<int64_t>(hi - lo, 1);
  };
  SmallVector<Attribute> values;
  for (int64_t i = 0; i < g.OH; ++i)
    for (int64_t j = 0; j < g.OW; ++j)
      values.push_back(b.getFloatAttr(element, 1.0 / double(count(i, g.KH, g.SH, g.PT, g.H, g.PB, g.UH) *
                                                            count(j, g.KW, g.SW, g.PL, g.W, g.PR, g.UW))));
  return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(RankedTensorType::get({g.OH, g.OW}, element), values));
}

/// kh*KW + kw in the index type of the pool.
Value cell(Scalar &s, const WindowGeometry &g, Type type) {
  Value kh = linalg::IndexOp::create(s.b, s.loc, 4), kw = linalg::IndexOp::create(s.b, s.loc, 5);
  Value width = arith::ConstantIndexOp::create(s.b, s.loc, g.KW);
  Value number = arith::AddIOp::create(s.b, s.loc, arith::MulIOp::create(s.b, s.loc, kh, width), kw);
  return arith::IndexCastOp::create(s.b, s.loc, type, number);
}

struct MaxPoolPattern : OpConversionPattern<cnn::MaxPoolOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::MaxPoolOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    auto yType = cast<RankedTensorType>(op.getOutput().getType());
    Type element = yType.getElementType(), indexType = cast<RankedTensorType>(op.getIndices().getType()).getElementType();
    WindowGeometry g = poolGeometry(op, cast<RankedTensorType>(op.getInput().getType()).getShape(), yType.getShape());
    Maps m = poolMaps(getContext(), g);
    double lowest = -std::numeric_limits<double>::infinity();
    Value x = padMap(b, loc, adaptor.getInput(), g, lowest);
    Value window = emptyTensor(b, loc, {g.KH, g.KW}, element);
    SmallVector<int64_t> shape{g.N, g.OH, g.OW, g.C};
    Value noIndex = linalg::FillOp::create(b, loc, arith::ConstantOp::create(b, loc, b.getIntegerAttr(indexType, 0)).getResult(),
                                           emptyTensor(b, loc, shape, indexType))
                        .getResult(0);
    auto y = generic(b, loc, {x, window}, {filledTensor(b, loc, shape, element, lowest), noIndex}, {m.x, m.window, m.y, m.y}, "pppprr",
                     [&](Scalar &s, ValueRange a) -> SmallVector<Value> {
                       // Unordered or greater: a NaN wins, as in PyTorch.
                       Value wins = arith::CmpFOp::create(s.b, s.loc, arith::CmpFPredicate::UGT, a[0], a[2]);
                       return {arith::SelectOp::create(s.b, s.loc, wins, a[0], a[2]),
                               arith::SelectOp::create(s.b, s.loc, wins, cell(s, g, indexType), a[3])};
                     });
    annotate(y, "maxpool", g);
    b.replaceOp(op, y.getResults());
    return success();
  }
};

/// A pool's gradient: each cell of a window takes its share of dy, scattered into the padded map. `more`: what the share depends on beside dy,
/// with its map.
template <typename Op, typename OpAdaptor>
LogicalResult convertGradient(Op op, OpAdaptor adaptor, ConversionPatternRewriter &b, StringRef kernel,
                              llvm::function_ref<std::pair<Value, AffineMap>(const WindowGeometry &, const Maps &, Type)> more,
                              llvm::function_ref<Value(Scalar &, const WindowGeometry &, ValueRange)> share) {
  Location loc = op.getLoc();
  auto xType = cast<RankedTensorType>(op.getInputGrad().getType());
  Type element = xType.getElementType();
  WindowGeometry g = poolGeometry(op, xType.getShape(), cast<RankedTensorType>(op.getOutputGrad().getType()).getShape());
  Maps m = poolMaps(op.getContext(), g);
  auto [second, secondMap] = more(g, m, element);
  Value window = emptyTensor(b, loc, {g.KH, g.KW}, element);
  auto dx = generic(b, loc, {adaptor.getOutputGrad(), second, window}, filledTensor(b, loc, paddedShape(g, g.C), element, 0),
                    {m.y, secondMap, m.window, m.x}, "prrprr",
                    [&](Scalar &s, ValueRange a) -> SmallVector<Value> { return {s.add(a[3], share(s, g, a))}; });
  annotate(dx, kernel, g);
  b.replaceOp(op, interior(b, loc, dx.getResult(0), g));
  return success();
}

struct MaxPoolGradPattern : OpConversionPattern<cnn::MaxPoolGradOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::MaxPoolGradOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    return convertGradient(
        op, adaptor, b, "maxpool_grad", [&](auto &, const Maps &m, Type) { return std::pair(adaptor.getIndices(), m.y); },
        [](Scalar &s, const WindowGeometry &g, ValueRange a) -> Value {
          Value here = arith::CmpIOp::create(s.b, s.loc, arith::CmpIPredicate::eq, a[1], cell(s, g, a[1].getType()));
          return arith::SelectOp::create(s.b, s.loc, here, a[0], s.constant(a[0].getType(), 0));
        });
  }
};

struct AvgPoolPattern : OpConversionPattern<cnn::AvgPoolOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::AvgPoolOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    auto yType = cast<RankedTensorType>(op.getOutput().getType());
    Type element = yType.getElementType();
    WindowGeometry g = poolGeometry(op, cast<RankedTensorType>(op.getInput().getType()).getShape(), yType.getShape());
    Maps m = poolMaps(getContext(), g);
    auto y = generic(b, loc,
                     {padMap(b, loc, adaptor.getInput(), g, 0), reciprocalCounts(b, loc, g, element), emptyTensor(b, loc, {g.KH, g.KW}, element)},
                     filledTensor(b, loc, {g.N, g.OH, g.OW, g.C}, element, 0), {m.x, m.position, m.window, m.y}, "pppprr",
                     [](Scalar &s, ValueRange a) -> SmallVector<Value> { return {s.add(a[3], s.mul(a[0], a[1]))}; });
    annotate(y, "avgpool", g);
    b.replaceOp(op, y.getResults());
    return success();
  }
};

struct AvgPoolGradPattern : OpConversionPattern<cnn::AvgPoolGradOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::AvgPoolGradOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    return convertGradient(
        op, adaptor, b, "avgpool_grad",
        [&](auto &g, const Maps &m, Type element) { return std::pair(reciprocalCounts(b, op.getLoc(), g, element), m.position); },
        [](Scalar &s, const WindowGeometry &, ValueRange a) { return s.mul(a[0], a[1]); });
  }
};

} // namespace

void populatePool(TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<MaxPoolPattern, MaxPoolGradPattern, AvgPoolPattern, AvgPoolGradPattern>(converter, patterns.getContext());
}

} // namespace cnnc::conversion
