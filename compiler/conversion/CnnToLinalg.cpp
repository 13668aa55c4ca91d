// The pass cnn-to-linalg: a full conversion with cnn illegal.
// In: functions in the cnn dialect with encodings.  Out: the same functions in linalg on tensors, in the layouts that the encodings name.
#include "compiler/conversion/Build.h"

#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

namespace cnnc {

static std::array<int64_t, 22> fieldsOf(const WindowGeometry &g) {
  return {g.N,  g.H,  g.W,  g.C,  g.O,  g.OH, g.OW,    g.KH, g.KW, g.SH, g.SW,
          g.DH, g.DW, g.PT, g.PL, g.PB, g.PR, g.G, g.block, g.UH, g.UW, g.countPad};
}

DenseI64ArrayAttr WindowGeometry::toAttr(MLIRContext *context) const { return DenseI64ArrayAttr::get(context, fieldsOf(*this)); }

std::string WindowGeometry::text() const {
  std::string s;
  for (int64_t v : fieldsOf(*this))
    s += std::to_string(v) + ' ';
  return s;
}

WindowGeometry WindowGeometry::fromAttr(DenseI64ArrayAttr attr) {
  auto v = attr.asArrayRef();
  WindowGeometry g;
  int64_t *fields[] = {&g.N,  &g.H,  &g.W,  &g.C,  &g.O,  &g.OH, &g.OW,    &g.KH, &g.KW, &g.SH,      &g.SW,
                       &g.DH, &g.DW, &g.PT, &g.PL, &g.PB, &g.PR, &g.G, &g.block, &g.UH, &g.UW, &g.countPad};
  for (auto [field, value] : llvm::zip(fields, v))
    *field = value;
  return g;
}

namespace {

/// The layout that an encoding names, as a plain tensor type.
Type storedType(RankedTensorType type) {
  auto s = type.getShape();
  if (isa_and_nonnull<cnn::NhwcAttr>(type.getEncoding()))
    return RankedTensorType::get({s[0], s[2], s[3], s[1]}, type.getElementType());
  if (auto filter = dyn_cast_or_null<cnn::FilterLayoutAttr>(type.getEncoding()))
    return RankedTensorType::get({s[0] / filter.getBlock(), s[2], s[3], s[1], filter.getBlock()}, type.getElementType());
  return type;
}

/// A constant map (the gradient of what has none): all elements are equal, so the layout does not matter.
struct ConstantPattern : OpConversionPattern<arith::ConstantOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(arith::ConstantOp op, OpAdaptor, ConversionPatternRewriter &b) const override {
    auto type = cast<ShapedType>(getTypeConverter()->convertType(op.getType()));
    auto values = dyn_cast<DenseElementsAttr>(op.getValue());
    if (!values || !values.isSplat())
      return op.emitOpError("is a constant map whose elements differ");
    b.replaceOpWithNewOp<arith::ConstantOp>(op, DenseElementsAttr::get(type, values.getSplatValue<Attribute>()));
    return success();
  }
};

struct CnnToLinalg : PassWrapper<CnnToLinalg, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(CnnToLinalg)
  StringRef getArgument() const override { return "cnn-to-linalg"; }
  StringRef getDescription() const override { return "Converts the cnn dialect to linalg on tensors, in the layouts of the encodings"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<linalg::LinalgDialect, tensor::TensorDialect, arith::ArithDialect, math::MathDialect>();
  }

  void runOnOperation() override {
    TypeConverter converter;
    converter.addConversion([](Type type) { return type; });
    converter.addConversion([](RankedTensorType type) { return storedType(type); });

    RewritePatternSet patterns(&getContext());
    conversion::populateConv(converter, patterns);
    conversion::populateDense(converter, patterns);
    conversion::populatePool(converter, patterns);
    conversion::populateNorm(converter, patterns);
    conversion::populateElementwise(converter, patterns);
    conversion::populateShape(converter, patterns);
    conversion::populateLoss(converter, patterns);
    populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns, converter);
    populateReturnOpTypeConversionPattern(patterns, converter);

    ConversionTarget target(getContext());
    target.addIllegalDialect<cnn::CnnDialect>();
    target.addLegalDialect<linalg::LinalgDialect, tensor::TensorDialect, math::MathDialect>();
    target.addLegalDialect<arith::ArithDialect>();
    target.addDynamicallyLegalOp<arith::ConstantOp>([&](arith::ConstantOp c) { return converter.isLegal(c.getType()); });
    patterns.add<ConstantPattern>(converter, &getContext());
    target.addDynamicallyLegalOp<func::FuncOp>([&](func::FuncOp f) { return converter.isSignatureLegal(f.getFunctionType()); });
    target.addDynamicallyLegalOp<func::ReturnOp>([&](func::ReturnOp r) { return converter.isLegal(r.getOperandTypes()); });
    target.addLegalOp<ModuleOp>();
    if (failed(applyFullConversion(getOperation(), target, std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace

std::unique_ptr<Pass> createCnnToLinalgPass() { return std::make_unique<CnnToLinalg>(); }
void registerConversionPasses() { PassRegistration<CnnToLinalg>(); }

} // namespace cnnc
