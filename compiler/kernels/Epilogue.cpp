// Which elementwise program the kernel of a convolution or of a dense layer ends with.
// In: linalg on tensors.  Out: the program, and which operand of it the convolution makes.
#include "compiler/kernels/Epilogue.h"
#include "compiler/conversion/Conversion.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace cnnc {
namespace {

/// Forward forms, but for those that the processor multiplies in tiles of its own. A convolution of few terms writes more than it multiplies, in short runs, far
/// apart; where that goes to memory, it had better leave its results in the caches, in a chain, for a pass along rows.
bool mayEnd(linalg::GenericOp op, const TargetInfo &target, bool isTraining) {
  constexpr int64_t fewTerms = 32;
  auto family = op->getAttrOfType<StringAttr>("cnn.kernel");
  if (!family || (family.getValue() != "conv" && family.getValue() != "depthwise" && family.getValue() != "dense") || !op->getResult(0).hasOneUse())
    return false;
  const auto g = WindowGeometry::fromAttr(op->getAttrOfType<DenseI64ArrayAttr>("cnn.geometry"));
  auto type = cast<ShapedType>(op->getResult(0).getType());
  const bool isDepthwise = family.getValue() == "depthwise", isFar = type.getNumElements() * type.getElementTypeBitWidth() / 8 > target.l2Bytes;
  if (isTraining && isFar && (isDepthwise || g.KH * g.KW * g.C / g.G < fewTerms))
    return false;
  const bool tiles = target.amx && (target.splitsF32 || cast<ShapedType>(op.getInputs()[0].getType()).getElementType().isBF16());
  return isDepthwise || !tiles;
}

/// The convolution whose result `v` is, its blocks of channels taken together.
linalg::GenericOp madeBy(Value v) {
  auto blocks = v.getDefiningOp<tensor::CollapseShapeOp>();
  return (blocks ? blocks.getSrc() : v).getDefiningOp<linalg::GenericOp>();
}

} // namespace

linalg::GenericOp convolutionOf(linalg::GenericOp program, const TargetInfo &target, bool isTraining) {
  if (!isOfPixels(program) || isCostly(program)) // it runs between products
    return {};
  linalg::GenericOp last;
  for (OpOperand *o : program.getDpsInputOperands()) {
    auto made = madeBy(o->get());
    if (made && o->get().hasOneUse() && mayEnd(made, target, isTraining) && program.getMatchingIndexingMap(o).isIdentity() &&
        (!last || last->isBeforeInBlock(made)))
      last = made;
  }
  return last;
}

linalg::GenericOp epilogueOf(linalg::GenericOp convolution, const TargetInfo &target, bool isTraining) {
  if (!mayEnd(convolution, target, isTraining))
    return {};
  Operation *reader = *convolution->getResult(0).user_begin();
  if (isa<tensor::CollapseShapeOp>(reader) && reader->hasOneUse())
    reader = *reader->user_begin();
  auto program = dyn_cast<linalg::GenericOp>(reader);
  return program && convolutionOf(program, target, isTraining) == convolution ? program : linalg::GenericOp();
}

EpiloguePlan EpiloguePlan::of(linalg::GenericOp program, linalg::GenericOp convolution) {
  EpiloguePlan e;
  e.nest = planOfPixels(program);
  for (auto [i, v] : llvm::enumerate(program.getInputs()))
    if (madeBy(v) == convolution)
      e.result = i;
  return e;
}

} // namespace cnnc
