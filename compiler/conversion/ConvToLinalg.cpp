// Convolution and its two gradients -> linalg.generic.
// In: cnn.conv, cnn.conv_input_grad, cnn.conv_filter_grad.  Out: tensor.pad + one generic over (n,oh,ow,g,fo,fi,kh,kw,c).
//
// y[n,oh,ow,g,fo,fi] = sum over kh,kw,c of xpad[n, oh*S+kh*D, ow*S+kw*D, g, c] * w[g,fo,kh,kw,c,fi], channels split as o = (g, fo, fi).
// The input's gradient scatters with the same maps; code generation gathers instead (compiler/kernels/ConvGather.cpp).
#include "compiler/conversion/Build.h"

namespace cnnc::conversion {
namespace {

template <typename ConvLike>
WindowGeometry convGeometry(ConvLike op, ArrayRef<int64_t> x, ArrayRef<int64_t> y, RankedTensorType filter) {
  WindowGeometry g;
  g.N = x[0], g.C = x[1], g.H = x[2], g.W = x[3];
  g.O = y[1], g.OH = y[2], g.OW = y[3];
  g.KH = filter.getShape()[2], g.KW = filter.getShape()[3];
  g.SH = op.getStrides()[0], g.SW = op.getStrides()[1];
  g.DH = op.getDilations()[0], g.DW = op.getDilations()[1];
  g.PT = op.getPads()[0], g.PL = op.getPads()[1], g.PB = op.getPads()[2], g.PR = op.getPads()[3];
  g.G = op.getGroups();
  auto layout = dyn_cast_or_null<cnn::FilterLayoutAttr>(filter.getEncoding());
  g.block = layout ? layout.getBlock() : g.O;
  return g;
}

/// One filter a channel: vectors run over channels, the filter lies as [1][KH][KW][1][C].
bool isDepthwise(const WindowGeometry &g) { return g.G > 1 && g.G == g.C && g.O == g.C && g.block == g.O; }

/// Views (N,H,W,C) as (N,H,W,G,C/G), or as (N,H,W,G,C/G/block,block).
Value splitChannels(OpBuilder &b, Location loc, Value x, ArrayRef<int64_t> parts) {
  auto t = tensorType(x);
  SmallVector<int64_t> shape(t.getShape().drop_back());
  SmallVector<ReassociationIndices> groups{{0}, {1}, {2}, {}};
  for (auto [i, p] : llvm::enumerate(parts)) {
    shape.push_back(p);
    groups[3].push_back(3 + i);
  }
  return tensor::ExpandShapeOp::create(b, loc, RankedTensorType::get(shape, t.getElementType()), x, groups);
}
Value joinChannels(OpBuilder &b, Location loc, Value x, unsigned parts) {
  SmallVector<ReassociationIndices> groups{{0}, {1}, {2}, {}};
  for (unsigned i = 0; i < parts; ++i)
    groups[3].push_back(3 + i);
  return tensor::CollapseShapeOp::create(b, loc, x, groups);
}
/// Views a filter [O/block][KH][KW][I][block] as [G][O/G/block][KH][KW][I][block].
SmallVector<ReassociationIndices> filterGroups() { return {{0, 1}, {2}, {3}, {4}, {5}}; }
Value splitFilter(OpBuilder &b, Location loc, Value w, const WindowGeometry &g) {
  auto t = tensorType(w);
  auto s = t.getShape();
  return tensor::ExpandShapeOp::create(
      b, loc, RankedTensorType::get({g.G, s[0] / g.G, s[1], s[2], s[3], s[4]}, t.getElementType()), w, filterGroups());
}

struct Maps {
  AffineMap x, w, y;
};
/// Dimensions: n oh ow g fo fi kh kw c.
Maps convMaps(MLIRContext *context, const WindowGeometry &g) {
  AffineExpr n, oh, ow, gr, fo, fi, kh, kw, c;
  bindDims(context, n, oh, ow, gr, fo, fi, kh, kw, c);
  return {AffineMap::get(9, 0, {n, oh * g.SH + kh * g.DH, ow * g.SW + kw * g.DW, gr, c}, context),
          AffineMap::get(9, 0, {gr, fo, kh, kw, c, fi}, context), AffineMap::get(9, 0, {n, oh, ow, gr, fo, fi}, context)};
}
/// Depthwise dimensions: n oh ow c kh kw; the filter as (KH,KW,C).
Maps depthwiseMaps(MLIRContext *context, const WindowGeometry &g) {
  AffineExpr n, oh, ow, c, kh, kw;
  bindDims(context, n, oh, ow, c, kh, kw);
  return {AffineMap::get(6, 0, {n, oh * g.SH + kh * g.DH, ow * g.SW + kw * g.DW, c}, context),
          AffineMap::get(6, 0, {kh, kw, c}, context), AffineMap::get(6, 0, {n, oh, ow, c}, context)};
}
SmallVector<ReassociationIndices> depthwiseFilterGroups() { return {{0, 1}, {2}, {3, 4}}; }

SmallVector<Value> multiplyAdd(Scalar &s, ValueRange a) { return {s.add(a[2], s.mul(a[0], a[1]))}; }

struct ConvPattern : OpConversionPattern<cnn::ConvOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::ConvOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    auto filterType = cast<RankedTensorType>(op.getFilter().getType());
    auto yType = cast<RankedTensorType>(op.getOutput().getType());
    WindowGeometry g =
        convGeometry(op, cast<RankedTensorType>(op.getInput().getType()).getShape(), yType.getShape(), filterType);
    Type element = yType.getElementType();
    Value x = padMap(b, loc, adaptor.getInput(), g, 0.0);
    if (isDepthwise(g)) {
      Maps m = depthwiseMaps(getContext(), g);
      Value w = tensor::CollapseShapeOp::create(b, loc, adaptor.getFilter(), depthwiseFilterGroups());
      auto y = generic(b, loc, {x, w}, filledTensor(b, loc, {g.N, g.OH, g.OW, g.O}, element, 0), {m.x, m.w, m.y}, "pppprr", multiplyAdd);
      annotate(y, "depthwise", g);
      b.replaceOp(op, y.getResult(0));
      return success();
    }
    Maps m = convMaps(getContext(), g);
    Value init = filledTensor(b, loc, {g.N, g.OH, g.OW, g.G, g.O / g.G / g.block, g.block}, element, 0);
    auto y = generic(b, loc, {splitChannels(b, loc, x, {g.G, g.C / g.G}), splitFilter(b, loc, adaptor.getFilter(), g)}, init,
                     {m.x, m.w, m.y}, "pppppprrr", multiplyAdd);
    annotate(y, "conv", g);
    b.replaceOp(op, joinChannels(b, loc, y.getResult(0), 3));
    return success();
  }
};

struct ConvInputGradPattern : OpConversionPattern<cnn::ConvInputGradOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::ConvInputGradOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    auto filterType = cast<RankedTensorType>(op.getFilter().getType());
    auto xType = cast<RankedTensorType>(op.getInputGrad().getType());
    WindowGeometry g =
        convGeometry(op, xType.getShape(), cast<RankedTensorType>(op.getOutputGrad().getType()).getShape(), filterType);
    Type element = xType.getElementType();
    if (isDepthwise(g)) {
      Maps m = depthwiseMaps(getContext(), g);
      Value w = tensor::CollapseShapeOp::create(b, loc, adaptor.getFilter(), depthwiseFilterGroups());
      auto dx = generic(b, loc, {adaptor.getOutputGrad(), w}, filledTensor(b, loc, paddedShape(g, g.C), element, 0),
                        {m.y, m.w, m.x}, "prrprr", multiplyAdd);
      annotate(dx, "depthwise_input_grad", g);
      b.replaceOp(op, interior(b, loc, dx.getResult(0), g));
      return success();
    }
    Maps m = convMaps(getContext(), g);
    SmallVector<int64_t> shape = paddedShape(g, g.G);
    shape.push_back(g.C / g.G);
    Value init = filledTensor(b, loc, shape, element, 0);
    auto dx = generic(b, loc,
                      {splitChannels(b, loc, adaptor.getOutputGrad(), {g.G, g.O / g.G / g.block, g.block}),
                       splitFilter(b, loc, adaptor.getFilter(), g)},
                      init, {m.y, m.w, m.x}, "prrprrrrp", multiplyAdd);
    annotate(dx, "conv_input_grad", g);
    b.replaceOp(op, interior(b, loc, joinChannels(b, loc, dx.getResult(0), 2), g));
    return success();
  }
};

struct ConvFilterGradPattern : OpConversionPattern<cnn::ConvFilterGradOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::ConvFilterGradOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    auto filterType = cast<RankedTensorType>(op.getFilterGrad().getType());
    WindowGeometry g = convGeometry(op, cast<RankedTensorType>(op.getInput().getType()).getShape(),
                                    cast<RankedTensorType>(op.getOutputGrad().getType()).getShape(), filterType);
    Type element = filterType.getElementType();
    Value x = padMap(b, loc, adaptor.getInput(), g, 0.0);
    if (isDepthwise(g)) {
      Maps m = depthwiseMaps(getContext(), g);
      auto dw = generic(b, loc, {x, adaptor.getOutputGrad()}, filledTensor(b, loc, {g.KH, g.KW, g.C}, element, 0), {m.x, m.y, m.w},
                        "rrrppp", multiplyAdd);
      annotate(dw, "depthwise_filter_grad", g);
      b.replaceOp(op, tensor::ExpandShapeOp::create(b, loc, getTypeConverter()->convertType(filterType), dw.getResult(0),
                                                    depthwiseFilterGroups())
                          .getResult());
      return success();
    }
    Maps m = convMaps(getContext(), g);
    Value init = filledTensor(b, loc, {g.G, g.O / g.G / g.block, g.KH, g.KW, g.C / g.G, g.block}, element, 0);
    auto dw = generic(b, loc,
                      {splitChannels(b, loc, x, {g.G, g.C / g.G}),
                       splitChannels(b, loc, adaptor.getOutputGrad(), {g.G, g.O / g.G / g.block, g.block})},
                      init, {m.x, m.y, m.w}, "rrrpppppp", multiplyAdd);
    annotate(dw, "conv_filter_grad", g);
    b.replaceOp(op, tensor::CollapseShapeOp::create(b, loc, dw.getResult(0), filterGroups()).getResult());
    return success();
  }
};

} // namespace

void populateConv(TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<ConvPattern, ConvInputGradPattern, ConvFilterGradPattern>(converter, patterns.getContext());
}

} // namespace cnnc::conversion
