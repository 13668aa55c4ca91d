// Operations that move values: flatten, unflatten, reshape, positions, from_positions, concat, slice_channels.
// In: their cnn forms.  Out: linalg.transpose where the order in memory changes, tensor slices and reshapes elsewhere.
#include "compiler/conversion/Build.h"

namespace cnnc::conversion {
namespace {

Value transposed(OpBuilder &b, Location loc, Value x, ArrayRef<int64_t> permutation) {
  auto t = tensorType(x);
  SmallVector<int64_t> shape;
  for (int64_t p : permutation)
    shape.push_back(t.getDimSize(p));
  return linalg::TransposeOp::create(b, loc, x, emptyTensor(b, loc, shape, t.getElementType()), permutation)->getResult(0);
}

struct FlattenPattern : OpConversionPattern<cnn::FlattenOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::FlattenOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Value x = adaptor.getInput();
    auto t = tensorType(x);
    if (t.getRank() == 2) {
      b.replaceOp(op, x);
      return success();
    }
    if (t.getDimSize(1) * t.getDimSize(2) != 1 && t.getDimSize(3) != 1)
      x = transposed(b, op.getLoc(), x, {0, 3, 1, 2});
    b.replaceOpWithNewOp<tensor::CollapseShapeOp>(op, x, ArrayRef<ReassociationIndices>{{0}, {1, 2, 3}});
    return success();
  }
};

struct UnflattenPattern : OpConversionPattern<cnn::UnflattenOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::UnflattenOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    auto logical = cast<RankedTensorType>(op.getOutput().getType());
    auto stored = cast<RankedTensorType>(getTypeConverter()->convertType(logical));
    SmallVector<ReassociationIndices> groups{{0}, {1, 2, 3}};
    bool moves = logical.getDimSize(2) * logical.getDimSize(3) != 1 && logical.getDimSize(1) != 1;
    auto shape = moves ? RankedTensorType::get(logical.getShape(), logical.getElementType()) : stored;
    Value x = tensor::ExpandShapeOp::create(b, op.getLoc(), shape, adaptor.getInput(), groups);
    b.replaceOp(op, moves ? transposed(b, op.getLoc(), x, {0, 2, 3, 1}) : x);
    return success();
  }
};

/// Any reshape goes through one long row in the order N,C,H,W.
struct ReshapePattern : OpConversionPattern<cnn::ReshapeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::ReshapeOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    auto from = cast<RankedTensorType>(op.getInput().getType()), to = cast<RankedTensorType>(op.getOutput().getType());
    auto moves = [](RankedTensorType t) { // whether channels last differs from channels first in memory
      return isa_and_nonnull<cnn::NhwcAttr>(t.getEncoding()) && t.getDimSize(1) != 1 && t.getDimSize(2) * t.getDimSize(3) != 1;
    };
    Value x = adaptor.getInput();
    if (moves(from))
      x = transposed(b, loc, x, {0, 3, 1, 2});
    auto all = [](int64_t rank) {
      SmallVector<ReassociationIndices> groups;
      if (rank > 0)
        groups.push_back(llvm::to_vector(llvm::seq<int64_t>(0, rank)));
      return groups;
    };
    Type element = from.getElementType();
    int64_t size = from.getNumElements();
    if (tensorType(x).getRank() == 0)
      x = tensor::ExpandShapeOp::create(b, loc, RankedTensorType::get({1}, element), x, all(0));
    else if (tensorType(x).getRank() > 1)
      x = tensor::CollapseShapeOp::create(b, loc, RankedTensorType::get({size}, element), x, all(tensorType(x).getRank()));
    auto stored = cast<RankedTensorType>(getTypeConverter()->convertType(to));
    auto shape = moves(to) ? RankedTensorType::get(to.getShape(), element) : stored;
    if (shape.getRank() == 0)
      x = tensor::CollapseShapeOp::create(b, loc, shape, x, all(0));
    else if (shape.getRank() > 1)
      x = tensor::ExpandShapeOp::create(b, loc, shape, x, all(shape.getRank()));
    if (moves(to))
      x = transposed(b, loc, x, {0, 2, 3, 1});
    b.replaceOp(op, x);
    return success();
  }
};

/// Channels lie last in memory: only the shape changes.
const SmallVector<ReassociationIndices> positionGroups{{0, 1, 2}, {3}};

struct PositionsPattern : OpConversionPattern<cnn::PositionsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::PositionsOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    if (!isa_and_nonnull<cnn::NhwcAttr>(cast<RankedTensorType>(op.getInput().getType()).getEncoding()))
      return op.emitOpError("needs its map as #cnn.nhwc");
    b.replaceOpWithNewOp<tensor::CollapseShapeOp>(op, adaptor.getInput(), positionGroups);
    return success();
  }
};

struct FromPositionsPattern : OpConversionPattern<cnn::FromPositionsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::FromPositionsOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    auto type = cast<RankedTensorType>(op.getOutput().getType());
    if (!isa_and_nonnull<cnn::NhwcAttr>(type.getEncoding()))
      return op.emitOpError("needs its map as #cnn.nhwc");
    auto stored = getTypeConverter()->convertType(type);
    b.replaceOpWithNewOp<tensor::ExpandShapeOp>(op, stored, adaptor.getInput(), positionGroups);
    return success();
  }
};

/// Offsets, sizes and unit strides of `channels` channels from `offset`; channels are the last dimension.
struct Slice {
  SmallVector<OpFoldResult> offsets, sizes, strides;
  Slice(OpBuilder &b, ArrayRef<int64_t> shape, int64_t offset, int64_t channels) {
    for (int64_t s : shape) {
      offsets.push_back(b.getIndexAttr(0));
      sizes.push_back(b.getIndexAttr(s));
      strides.push_back(b.getIndexAttr(1));
    }
    offsets.back() = b.getIndexAttr(offset);
    sizes.back() = b.getIndexAttr(channels);
  }
};

struct ConcatPattern : OpConversionPattern<cnn::ConcatOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::ConcatOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    auto stored = cast<RankedTensorType>(getTypeConverter()->convertType(op.getOutput().getType()));
    Value all = emptyTensor(b, op.getLoc(), stored.getShape(), stored.getElementType());
    int64_t offset = 0;
    for (Value part : adaptor.getInputs()) {
      auto shape = tensorType(part).getShape();
      Slice s(b, shape, offset, shape.back());
      all = tensor::InsertSliceOp::create(b, op.getLoc(), part, all, s.offsets, s.sizes, s.strides);
      offset += shape.back();
    }
    b.replaceOp(op, all);
    return success();
  }
};

struct SliceChannelsPattern : OpConversionPattern<cnn::SliceChannelsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::SliceChannelsOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    auto stored = cast<RankedTensorType>(getTypeConverter()->convertType(op.getOutput().getType()));
    Slice s(b, stored.getShape(), op.getOffset(), stored.getShape().back());
    b.replaceOpWithNewOp<tensor::ExtractSliceOp>(op, stored, adaptor.getInput(), s.offsets, s.sizes, s.strides);
    return success();
  }
};

} // namespace

void populateShape(TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<FlattenPattern, UnflattenPattern, ReshapePattern, PositionsPattern, FromPositionsPattern, ConcatPattern, SliceChannelsPattern>(
      converter, patterns.getContext());
}

} // namespace cnnc::conversion
