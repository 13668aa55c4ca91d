// Elementwise programs that other kernels take in.
// In: a linalg.generic on (n, h, w, c), or on (n, c), whose pixels are the samples.  Out: whether it is of pixels and channels; its plan.
#include "compiler/kernels/ProgramOfPixels.h"

using namespace mlir;

namespace cnnc {

bool isOfPixels(linalg::GenericOp program) {
  constexpr int64_t mostChannels = 4096; // whose values fit on the stack
  const unsigned loops = program.getNumLoops();
  if (program->hasAttr("cnn.kernel") || program.getNumReductionLoops() || (loops != 4 && loops != 2) || program->getNumResults() != 1)
    return false;
  const ArrayRef<int64_t> shape = cast<RankedTensorType>(program->getResult(0).getType()).getShape();
  bool indexed = false;
  program.getRegion().walk([&](linalg::IndexOp) { indexed = true; });
  return !indexed && shape.back() <= mostChannels && llvm::all_of(program.getDpsInputOperands(), [&](OpOperand *o) {
    const AffineMap map = program.getMatchingIndexingMap(o);
    const bool ofPixels = map.isIdentity() && cast<RankedTensorType>(o->get().getType()).getShape() == shape;
    const bool ofChannels = map.getNumResults() == 1 && map.getResult(0) == getAffineDimExpr(loops - 1, program.getContext());
    return ofPixels || ofChannels || map.getNumResults() == 0;
  });
}

NestPlan planOfPixels(linalg::GenericOp program) {
  const ArrayRef<int64_t> shape = cast<RankedTensorType>(program->getResult(0).getType()).getShape();
  NestPlan p;
  p.op = program;
  p.C = shape.back(), p.R = cast<RankedTensorType>(program->getResult(0).getType()).getNumElements() / p.C;
  for (AffineMap map : program.getIndexingMapsArray()) {
    const bool ofPixels = map.getNumResults() == shape.size(), ofChannels = map.getNumResults() > 0;
    p.operands.push_back({0, ofPixels ? p.C : 0, ofChannels ? 1 : 0});
  }
  return p;
}

} // namespace cnnc
