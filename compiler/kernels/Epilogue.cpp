// Which elementwise program a convolution's kernel ends with.
// In: linalg on tensors.  Out: the program, and which operand of it the convolution makes.
#include "compiler/kernels/Epilogue.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace cnnc {
namespace {

/// Forward convolutions, but for those that the processor multiplies in tiles of its own.
bool mayEnd(linalg::GenericOp op, const TargetInfo &target) {
  auto family = op->getAttrOfType<StringAttr>("cnn.kernel");
  if (!family || (family.getValue() != "conv" && family.getValue() != "depthwise") || !op->getResult(0).hasOneUse())
    return false;
  const bool tiles = target.amx && (target.splitsF32 || cast<ShapedType>(op.getInputs()[0].getType()).getElementType().isBF16());
  return family.getValue() == "depthwise" || !tiles;
}

/// The convolution whose result `v` is, its blocks of channels taken together.
linalg::GenericOp madeBy(Value v) {
  auto blocks = v.getDefiningOp<tensor::CollapseShapeOp>();
  return (blocks ? blocks.getSrc() : v).getDefiningOp<linalg::GenericOp>();
}

} // namespace

linalg::GenericOp convolutionOf(linalg::GenericOp program, const TargetInfo &target) {
  if (!isOfPixels(program) || isCostly(program)) // it runs between products
    return {};
  linalg::GenericOp last;
  for (OpOperand *o : program.getDpsInputOperands()) {
    auto made = madeBy(o->get());
    if (made && o->get().hasOneUse() && mayEnd(made, target) && program.getMatchingIndexingMap(o).isIdentity() &&
        (!last || last->isBeforeInBlock(made)))
      last = made;
  }
  return last;
}

linalg::GenericOp epilogueOf(linalg::GenericOp convolution, const TargetInfo &target) {
  if (!mayEnd(convolution, target))
    return {};
  Operation *reader = *convolution->getResult(0).user_begin();
  if (isa<tensor::CollapseShapeOp>(reader) && reader->hasOneUse())
    reader = *reader->user_begin();
  auto program = dyn_cast<linalg::GenericOp>(reader);
  return program && convolutionOf(program, target) == convolution ? program : linalg::GenericOp();
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
