// Keeps feature maps and their gradients as bf16; what is computed from them stays f32.
// In: linalg on tensors of f32, elementwise programs fused.  Out: the same with maps of bf16, widened where they are read and rounded where
// they are stored.
//
// Parameters, states, statistics, sums, filter gradients, and what stands between the logits and the products that take their gradient stay f32.
#include "compiler/conversion/Conversion.h"
#include "compiler/kernels/Program.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include <functional>

using namespace mlir;

namespace cnnc {
namespace {

class Narrowing {
public:
  explicit Narrowing(FunctionOpInterface function) : function(function), body(function.getFunctionBody().front()), builder(function->getContext()) {}

  void run() {
    for (auto [i, result] : llvm::enumerate(body.getTerminator()->getOperands()))
      if (auto role = function.getResultAttrOfType<StringAttr>(i, "cnn.role"); !role || role.getValue() == "logits" || role.getValue() == "loss")
        keepPrecise(result);
    for (BlockArgument a : body.getArguments())
      if (auto role = function.getArgAttrOfType<StringAttr>(a.getArgNumber(), "cnn.role"); role && role.getValue() == "input")
        narrowInput(a);
    for (Operation &op : llvm::make_early_inc_range(body.without_terminator()))
      visit(op);
    for (linalg::GenericOp g : generics)
      convertBody(g);
  }

private:
  FunctionOpInterface function;
  Block &body;
  OpBuilder builder;
  llvm::SmallPtrSet<Value, 32> precise; ///< maps that stay f32
  llvm::SmallPtrSet<Value, 32> narrow;  ///< maps of bf16
  SmallVector<linalg::GenericOp> generics;

  static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }
  static bool isF32(Value v) {
    auto t = dyn_cast<RankedTensorType>(v.getType());
    return t && t.getElementType().isF32();
  }
  static bool isView(Operation *op) {
    return isa_and_nonnull<tensor::ExpandShapeOp, tensor::CollapseShapeOp, tensor::ExtractSliceOp, tensor::PadOp, linalg::TransposeOp>(op);
  }
  static StringRef familyOf(Operation *op) {
    auto family = op->getAttrOfType<StringAttr>("cnn.kernel");
    return family ? family.getValue() : "";
  }

  static bool isElementwise(Operation *op) {
    auto g = dyn_cast_or_null<linalg::GenericOp>(op);
    return g && familyOf(g).empty() && !g.getNumReductionLoops();
  }

  /// A result of the function and what leads to it element by element, to the layer whose output it is.
  void keepPrecise(Value v) {
    if (!isF32(v) || !precise.insert(v).second)
      return;
    Operation *op = v.getDefiningOp();
    if (isView(op) || isa_and_nonnull<tensor::InsertSliceOp>(op))
      keepPrecise(op->getOperand(0));
    else if (isElementwise(op))
      for (Value input : cast<linalg::GenericOp>(op).getInputs())
        if (auto type = dyn_cast<RankedTensorType>(input.getType()); type && type.getShape() == typeOf(v).getShape())
          keepPrecise(input);
  }

  /// A copy of `v` as bf16.
  Value rounded(Value v) {
    RankedTensorType type = typeOf(v), stored = type.clone(builder.getBF16Type());
    builder.setInsertionPointAfterValue(v);
    Location loc = v.getDefiningOp() ? v.getDefiningOp()->getLoc() : function->getLoc();
    auto identity = builder.getMultiDimIdentityMap(type.getRank());
    Value empty = tensor::EmptyOp::create(builder, loc, stored.getShape(), stored.getElementType());
    auto copy = linalg::GenericOp::create(builder, loc, stored, v, empty, ArrayRef<AffineMap>{identity, identity},
                                          SmallVector<utils::IteratorType>(type.getRank(), utils::IteratorType::parallel),
                                          [&](OpBuilder &b, Location loc, ValueRange x) {
                                            linalg::YieldOp::create(b, loc, arith::TruncFOp::create(b, loc, b.getBF16Type(), x[0]).getResult());
                                          });
    narrow.insert(copy.getResult(0));
    return copy.getResult(0);
  }

  /// The images, where products of pairs can take them: an odd number of channels is multiplied as f32.
  void narrowInput(BlockArgument x) {
    bool pairs = true, used = false;
    std::function<void(Value)> look = [&](Value v) {
      for (Operation *user : v.getUsers()) {
        if (isView(user)) {
          look(user->getResult(0));
        } else if (StringRef family = familyOf(user); family.starts_with("conv") || family.starts_with("dense")) {
          auto g = WindowGeometry::fromAttr(user->getAttrOfType<DenseI64ArrayAttr>("cnn.geometry"));
          pairs &= g.C / g.G % 2 == 0, used = true;
        }
      }
    };
    look(x);
    if (!pairs || !used || x.use_empty() || !isF32(x)) {
      precise.insert(x);
      return;
    }
    builder.setInsertionPointToStart(&body);
    Value copy = rounded(x);
    x.replaceUsesWithIf(copy, [&](OpOperand &use) { return use.getOwner() != copy.getDefiningOp(); });
  }

  void visit(Operation &op) {
    if (auto transpose = dyn_cast<linalg::TransposeOp>(op); transpose && narrow.contains(transpose.getInput()) && !precise.contains(op.getResult(0))) {
      builder.setInsertionPoint(&op);
      Value stored = tensor::EmptyOp::create(builder, op.getLoc(), typeOf(op.getResult(0)).getShape(), builder.getBF16Type());
      auto turned = linalg::TransposeOp::create(builder, op.getLoc(), transpose.getInput(), stored, transpose.getPermutation());
      narrow.insert(turned->getResult(0));
      op.getResult(0).replaceAllUsesWith(turned->getResult(0));
      op.erase();
      return;
    }
    if (isView(&op)) {
      if (narrow.contains(op.getOperand(0)))
        retype(op, 0);
      else if (precise.contains(op.getOperand(0)))
        precise.insert(op.getResult(0));
      return;
    }
    if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
      join(insert);
      return;
    }
    auto g = dyn_cast<linalg::GenericOp>(op);
    if (!g)
      return;
    generics.push_back(g);
    StringRef family = familyOf(g);
    if (!family.empty()) {
      // The gradient of the logits enters the products as bf16.
      if ((family.starts_with("conv") || family.starts_with("dense")) && family.ends_with("_grad")) {
        OpOperand &gradient = g->getOpOperand(family == "conv_input_grad" ? 0 : 1);
        if (precise.contains(gradient.get()))
          gradient.set(rounded(gradient.get()));
      }
      if (!family.ends_with("filter_grad"))
        retype(op, 0);
      return;
    }
    if (!isElementwise(g)) // sums
      return;
    bool fromNarrow = false, fromPrecise = false;
    for (OpOperand *operand : g.getDpsInputOperands()) {
      AffineMap map = g.getMatchingIndexingMap(operand);
      if (map.getNumResults() != g.getNumLoops() || llvm::any_of(map.getResults(), llvm::IsaPred<AffineConstantExpr>)) // neither of pixels nor of windows
        continue;
      fromNarrow |= narrow.contains(operand->get());
      fromPrecise |= precise.contains(operand->get());
    }
    for (unsigned i = 0; i < op.getNumResults(); ++i) {
      if (fromNarrow)
        retype(op, i);
      else if (fromPrecise)
        precise.insert(op.getResult(i));
    }
  }

  /// Makes result i a map of bf16, unless it is to stay f32.
  void retype(Operation &op, unsigned i) {
    Value result = op.getResult(i);
    if (!isF32(result) || precise.contains(result))
      return;
    auto type = typeOf(result).clone(builder.getBF16Type());
    if (auto destination = dyn_cast<DestinationStyleOpInterface>(op)) {
      OpOperand *init = destination.getDpsInitOperand(i);
      builder.setInsertionPoint(&op);
      Value stored = tensor::EmptyOp::create(builder, op.getLoc(), type.getShape(), type.getElementType());
      if (init->get().getDefiningOp<linalg::FillOp>()) { // of zeros
        Value zero = arith::ConstantOp::create(builder, op.getLoc(), builder.getZeroAttr(type.getElementType()));
        stored = linalg::FillOp::create(builder, op.getLoc(), zero, stored).getResult(0);
      }
      init->set(stored);
    }
    if (auto pad = dyn_cast<tensor::PadOp>(op)) {
      Operation *yield = pad.getRegion().front().getTerminator();
      builder.setInsertionPoint(yield);
      yield->setOperand(0, arith::TruncFOp::create(builder, op.getLoc(), type.getElementType(), yield->getOperand(0)));
    }
    result.setType(type);
    if (type.getRank() > 1 || !isa<tensor::ExtractSliceOp>(op)) // a pixel of a map, from which statistics start, is none
      narrow.insert(result);
  }

  /// Parts of a concatenation: all are stored alike.
  void join(tensor::InsertSliceOp op) {
    if (precise.contains(op.getResult()))
      return;
    Value target = op.getDest();
    bool begins = target.getDefiningOp<tensor::EmptyOp>();
    if (!begins && !narrow.contains(target))
      return;
    if (!narrow.contains(op.getSource()))
      op.getSourceMutable().assign(rounded(op.getSource()));
    auto type = typeOf(op.getResult()).clone(builder.getBF16Type());
    if (begins) {
      builder.setInsertionPoint(op);
      op.getDestMutable().assign(tensor::EmptyOp::create(builder, op.getLoc(), type.getShape(), type.getElementType()));
    }
    op.getResult().setType(type);
    narrow.insert(op.getResult());
  }

  /// Widens the body's arguments where they are read and rounds what it yields.
  void convertBody(linalg::GenericOp g) {
    Block &block = g.getRegion().front();
    Operation *yield = block.getTerminator();
    for (auto [i, operand] : llvm::enumerate(g->getOperands())) {
      Type element = typeOf(operand).getElementType();
      BlockArgument a = block.getArgument(i);
      if (!element.isBF16() || a.getType().isBF16())
        continue;
      a.setType(element);
      if (a.use_empty())
        continue;
      builder.setInsertionPointToStart(&block);
      auto wide = arith::ExtFOp::create(builder, g.getLoc(), builder.getF32Type(), a);
      a.replaceAllUsesExcept(wide, wide);
    }
    builder.setInsertionPoint(yield);
    for (OpOperand &value : yield->getOpOperands())
      if (typeOf(g->getResult(value.getOperandNumber())).getElementType().isBF16() && !value.get().getType().isBF16())
        value.set(arith::TruncFOp::create(builder, g.getLoc(), builder.getBF16Type(), value.get()));
  }
};

} // namespace

void narrowStorage(Operation *function) { Narrowing(cast<FunctionOpInterface>(function)).run(); }

} // namespace cnnc
