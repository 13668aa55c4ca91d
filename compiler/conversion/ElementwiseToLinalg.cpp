// Elementwise operations, sums and dropout -> linalg.generic.
// In: cnn.map, cnn.sum_to, cnn.dropout_train.  Out: one generic each; broadcasting becomes indexing maps.
#include "compiler/conversion/Build.h"

namespace cnnc::conversion {
namespace {

bool isNhwc(Type type) { return isa_and_nonnull<cnn::NhwcAttr>(cast<RankedTensorType>(type).getEncoding()); }

/// The map of an operand of cnn.map: `operand` and `result` as the cnn dialect has them, `stored` the operand's converted shape.
FailureOr<AffineMap> operandMap(RankedTensorType operand, RankedTensorType result, int64_t loops) {
  MLIRContext *context = operand.getContext();
  auto dim = [&](int64_t i) { return getAffineDimExpr(i, context); };
  AffineExpr zero = getAffineConstantExpr(0, context);
  if (operand.getShape() == result.getShape())
    return AffineMap::getMultiDimIdentityMap(loops, context);
  if (operand.getRank() == 0)
    return AffineMap::get(loops, 0, context);
  if (operand.getRank() == 1 && operand.getDimSize(0) == 1)
    return AffineMap::get(loops, 0, zero);
  if (operand.getRank() == 1 && result.getRank() >= 2 && operand.getDimSize(0) == result.getDimSize(1))
    return AffineMap::get(loops, 0, isNhwc(result) ? dim(3) : dim(1));
  if (operand.getRank() == 2 && result.getRank() == 2 && operand.getDimSize(0) == result.getDimSize(0) && operand.getDimSize(1) == 1)
    return AffineMap::get(loops, 0, {dim(0), zero}, context);
  if (operand.getRank() == 4 && result.getRank() == 4 && operand.getDimSize(0) == result.getDimSize(0) &&
      operand.getDimSize(1) == result.getDimSize(1))
    return AffineMap::get(loops, 0, {dim(0), zero, zero, dim(3)}, context);
  return failure();
}

struct MapPattern : OpConversionPattern<cnn::MapOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::MapOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    auto result = cast<RankedTensorType>(op->getResult(0).getType());
    auto stored = cast<RankedTensorType>(getTypeConverter()->convertType(result));
    int64_t loops = stored.getRank();
    SmallVector<AffineMap> maps;
    for (Value operand : op.getInputs()) {
      auto map = operandMap(cast<RankedTensorType>(operand.getType()), result, loops);
      if (failed(map))
        return op.emitOpError("cannot broadcast ") << operand.getType() << " to " << result;
      maps.push_back(*map);
    }
    SmallVector<Value> outputs;
    for (Value r : op.getOutputs()) {
      outputs.push_back(emptyTensor(b, loc, stored.getShape(), cast<RankedTensorType>(r.getType()).getElementType()));
      maps.push_back(AffineMap::getMultiDimIdentityMap(loops, getContext()));
    }
    SmallVector<Operation *> body;
    auto y = generic(b, loc, adaptor.getInputs(), outputs, maps, std::string(loops, 'p'),
                     [&](Scalar &s, ValueRange args) -> SmallVector<Value> {
                       IRMapping mapping;
                       Block &block = op.getBody().front();
                       for (auto [from, to] : llvm::zip(block.getArguments(), args))
                         mapping.map(from, to);
                       for (Operation &o : block.without_terminator())
                         s.b.clone(o, mapping);
                       SmallVector<Value> results;
                       for (Value v : block.getTerminator()->getOperands())
                         results.push_back(mapping.lookupOrDefault(v));
                       return results;
                     });
    b.replaceOp(op, y.getResults());
    return success();
  }
};

struct SumToPattern : OpConversionPattern<cnn::SumToOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::SumToOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    auto in = cast<RankedTensorType>(op.getInput().getType());
    auto out = cast<RankedTensorType>(op.getOutput().getType());
    Value x = adaptor.getInput();
    int64_t loops = tensorType(x).getRank();
    Type element = in.getElementType();
    auto sum = [&](ArrayRef<int64_t> shape, AffineMap map, std::string iterators) {
      return generic(b, loc, x, filledTensor(b, loc, shape, element, 0), {AffineMap::getMultiDimIdentityMap(loops, getContext()), map},
                     iterators, [](Scalar &s, ValueRange a) -> SmallVector<Value> { return {s.add(a[1], a[0])}; })
          .getResult(0);
    };
    auto dim = [&](int64_t i) { return getAffineDimExpr(i, getContext()); };
    if (in.getShape() == out.getShape()) {
      b.replaceOp(op, x);
      return success();
    }
    if (out.getNumElements() == 1 && out.getRank() <= 1) {
      Value total = sum({}, AffineMap::get(loops, 0, getContext()), std::string(loops, 'r'));
      if (out.getRank() == 1)
        total = tensor::ExpandShapeOp::create(b, loc, out, total, ArrayRef<ReassociationIndices>{});
      b.replaceOp(op, total);
      return success();
    }
    if (out.getRank() == 1 && in.getRank() >= 2) {
      bool nhwc = isNhwc(in);
      std::string iterators(loops, 'r');
      iterators[nhwc ? 3 : 1] = 'p';
      b.replaceOp(op, sum(out.getShape(), AffineMap::get(loops, 0, dim(nhwc ? 3 : 1)), iterators));
      return success();
    }
    if (out.getRank() == 2 && in.getRank() == 2 && out.getDimSize(1) == 1) { // (N,C) -> (N,1)
      Value s = sum({in.getDimSize(0)}, AffineMap::get(loops, 0, dim(0)), "pr");
      b.replaceOpWithNewOp<tensor::ExpandShapeOp>(op, out, s, ArrayRef<ReassociationIndices>{{0, 1}});
      return success();
    }
    if (out.getRank() == 4 && in.getRank() == 4 && isNhwc(in)) { // (N,H,W,C) -> (N,1,1,C)
      Value s = sum({in.getDimSize(0), in.getDimSize(1)}, AffineMap::get(loops, 0, {dim(0), dim(3)}, getContext()), "prrp");
      b.replaceOpWithNewOp<tensor::ExpandShapeOp>(op, cast<RankedTensorType>(getTypeConverter()->convertType(out)), s,
                                                  ArrayRef<ReassociationIndices>{{0}, {1, 2, 3}});
      return success();
    }
    return op.emitOpError("cannot sum ") << in << " to " << out;
  }
};

// Philox4x32-10: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", with its constants.
constexpr uint32_t philoxM0 = 0xD2511F53u, philoxM1 = 0xCD9E8D57u, philoxW0 = 0x9E3779B9u, philoxW1 = 0xBB67AE85u;
constexpr int philoxRounds = 10;

/// The first word of the block of counter (c0,c1,c2,c3) under the key (k0,k1), all i32.
Value philox(OpBuilder &b, Location loc, std::array<Value, 4> c, Value k0, Value k1) {
  Type i32 = b.getI32Type();
  auto constant = [&](uint32_t v) -> Value { return arith::ConstantOp::create(b, loc, b.getIntegerAttr(i32, APInt(32, v))); };
  Value m0 = constant(philoxM0), m1 = constant(philoxM1), w0 = constant(philoxW0), w1 = constant(philoxW1);
  for (int round = 0; round < philoxRounds; ++round) {
    auto p0 = arith::MulUIExtendedOp::create(b, loc, m0, c[0]), p1 = arith::MulUIExtendedOp::create(b, loc, m1, c[2]);
    auto mix = [&](Value hi, Value x, Value k) -> Value {
      return arith::XOrIOp::create(b, loc, arith::XOrIOp::create(b, loc, hi, x), k);
    };
    c = {mix(p1.getHigh(), c[1], k0), p1.getLow(), mix(p0.getHigh(), c[3], k1), p0.getLow()};
    if (round + 1 < philoxRounds) {
      k0 = arith::AddIOp::create(b, loc, k0, w0);
      k1 = arith::AddIOp::create(b, loc, k1, w1);
    }
  }
  return c[0];
}

struct DropoutPattern : OpConversionPattern<cnn::DropoutTrainOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(cnn::DropoutTrainOp op, OpAdaptor adaptor, ConversionPatternRewriter &b) const override {
    Location loc = op.getLoc();
    Value x = adaptor.getInput();
    auto t = tensorType(x);
    auto logical = cast<RankedTensorType>(op.getInput().getType());
    Type element = t.getElementType(), i32 = b.getI32Type();
    int64_t loops = t.getRank();
    AffineMap full = AffineMap::getMultiDimIdentityMap(loops, getContext());
    auto word = [&](int64_t i) -> Value { // one of rng's four words as a rank-0 tensor
      auto slice = tensor::ExtractSliceOp::create(b, loc, RankedTensorType::get({1}, i32), adaptor.getRng(), {b.getIndexAttr(i)},
                                                  {b.getIndexAttr(1)}, {b.getIndexAttr(1)});
      return tensor::CollapseShapeOp::create(b, loc, RankedTensorType::get({}, i32), slice, ArrayRef<ReassociationIndices>{});
    };
    AffineMap scalar = AffineMap::get(loops, 0, getContext());
    double p = op.getP().convertToDouble();
    auto y = generic(
        b, loc, {x, word(0), word(1), word(2)}, emptyTensor(b, loc, t.getShape(), element), {full, scalar, scalar, scalar, full},
        std::string(loops, 'p'), [&](Scalar &s, ValueRange a) -> SmallVector<Value> {
          auto index = [&](int64_t i) -> Value {
            return arith::IndexCastOp::create(s.b, s.loc, i32, linalg::IndexOp::create(s.b, s.loc, i));
          };
          auto constant = [&](int64_t v) -> Value { return arith::ConstantOp::create(s.b, s.loc, s.b.getI32IntegerAttr(int32_t(v))); };
          auto fold = [&](Value number, int64_t extent, Value i) -> Value { // number*extent + i
            return arith::AddIOp::create(s.b, s.loc, arith::MulIOp::create(s.b, s.loc, number, constant(extent)), i);
          };
          // The element's number in the order N,C,H,W.
          Value number = index(0);
          if (op.getPerSample()) {
            // one draw a sample
          } else if (loops == 4) {
            number = fold(number, logical.getDimSize(1), index(3));
            if (!op.getSpatial())
              number = fold(fold(number, logical.getDimSize(2), index(1)), logical.getDimSize(3), index(2));
          } else {
            number = fold(number, logical.getDimSize(1), index(1));
          }
          Value bits = philox(s.b, s.loc, {number, constant(op.getStream()), a[3], constant(0)}, a[1], a[2]);
          // Dropped with probability p: bits < p * 2^32.
          double bound = std::min(p * 4294967296.0, 4294967295.0);
          Value limit = arith::ConstantOp::create(s.b, s.loc, s.b.getIntegerAttr(i32, APInt(32, uint64_t(bound))));
          Value dropped = arith::CmpIOp::create(s.b, s.loc, arith::CmpIPredicate::ult, bits, limit);
          Value kept = s.mul(a[0], s.constant(element, p < 1 ? 1.0 / (1.0 - p) : 0.0));
          return {arith::SelectOp::create(s.b, s.loc, dropped, s.constant(element, 0), kept)};
        });
    b.replaceOp(op, y.getResults());
    return success();
  }
};

} // namespace

void populateElementwise(TypeConverter &converter, RewritePatternSet &patterns) {
  patterns.add<MapPattern, SumToPattern, DropoutPattern>(converter, patterns.getContext());
}

} // namespace cnnc::conversion
