// What pools and the elementwise programs around them can do in one pass over a map.
// In: linalg on tensors.  Out: whether a pool's kernel takes a program in; the gradient of a pool whose windows cover the map side by side as a
// linalg.generic of maps with one element a window (windowsOf): each pixel takes what its one window has for it.
#include "compiler/kernels/PoolFusion.h"
#include "compiler/conversion/Build.h"
#include "compiler/kernels/ProgramOfPixels.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace cnnc {
namespace {

constexpr int64_t mostCells = 16; // are written out
constexpr llvm::StringLiteral mark = "cnn.gathered"; // the number of the kernel

/// Windows that cover the map, every pixel in one of them.
bool isTiled(const WindowGeometry &g) {
  return g.KH == g.SH && g.KW == g.SW && !conversion::isPadded(g) && g.OH * g.SH == g.H && g.OW * g.SW == g.W && g.KH * g.KW > 1 &&
         g.KH * g.KW <= mostCells;
}

struct Maps {
  AffineMap pixel, window, cell;
};
Maps mapsOf(MLIRContext *context, const WindowGeometry &g) {
  AffineExpr n, h, w, c;
  bindDims(context, n, h, w, c);
  return {AffineMap::getMultiDimIdentityMap(4, context), AffineMap::get(4, 0, {n, h.floorDiv(g.KH), w.floorDiv(g.KW), c}, context),
          AffineMap::get(4, 0, {h % g.KH, w % g.KW}, context)};
}

/// Whether every reader could take in what `op` makes.
bool hasElementwiseReaders(linalg::GenericOp op) {
  Value dx = op->getResult(0);
  return !dx.use_empty() && llvm::all_of(dx.getUses(), [](OpOperand &use) {
    auto reader = dyn_cast<linalg::GenericOp>(use.getOwner());
    return reader && !reader->hasAttr("cnn.kernel") && reader.getNumLoops() == 4 && reader.isDpsInput(&use) && reader.getMatchingIndexingMap(&use).isIdentity();
  });
}

linalg::GenericOp gathered(linalg::GenericOp op, const WindowGeometry &g) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  const Maps m = mapsOf(op.getContext(), g);
  Value dy = op.getInputs()[0];
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  Value empty = conversion::emptyTensor(b, loc, type.getShape(), type.getElementType());
  if (op->getAttrOfType<StringAttr>("cnn.kernel").getValue() == "avgpool_grad")
    return conversion::generic(b, loc, dy, empty, {m.window, m.pixel}, "pppp", [&](conversion::Scalar &s, ValueRange a) -> SmallVector<Value> {
      return {s.mul(a[0], s.constant(a[0].getType(), 1.0 / double(g.KH * g.KW)))};
    });
  Value indices = op.getInputs()[1];
  Type index = cast<ShapedType>(indices.getType()).getElementType();
  SmallVector<Attribute> numbers;
  for (int64_t i = 0; i < g.KH * g.KW; ++i)
    numbers.push_back(b.getIntegerAttr(index, i));
  Value cells = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(RankedTensorType::get({g.KH, g.KW}, index), numbers));
  return conversion::generic(b, loc, {dy, indices, cells}, empty, {m.window, m.window, m.cell, m.pixel}, "pppp",
                             [](conversion::Scalar &s, ValueRange a) -> SmallVector<Value> {
                               Value here = arith::CmpIOp::create(s.b, s.loc, arith::CmpIPredicate::eq, a[1], a[2]);
                               return {arith::SelectOp::create(s.b, s.loc, here, a[0], s.constant(a[0].getType(), 0))};
                             });
}

/// The operand of which a ReLU's gradient takes its mask, if `op` is one of the gradient that `use` reads: 0 where the operand is <= 0.
OpOperand *maskOf(linalg::GenericOp op, OpOperand &use) {
  if (op.getNumReductionLoops() || op.getNumDpsInputs() != 2 || op->getNumResults() != 1)
    return nullptr;
  OpOperand &other = op->getOpOperand(1 - use.getOperandNumber());
  auto chosen = op.getRegion().front().getTerminator()->getOperand(0).getDefiningOp<arith::SelectOp>();
  auto test = chosen ? chosen.getCondition().getDefiningOp<arith::CmpFOp>() : nullptr;
  const bool is = test && test.getPredicate() == arith::CmpFPredicate::OLE && test.getLhs() == op.getMatchingBlockArgument(&other) &&
                  matchPattern(test.getRhs(), m_AnyZeroFloat()) && matchPattern(chosen.getTrueValue(), m_PosZeroFloat()) &&
                  chosen.getFalseValue() == op.getMatchingBlockArgument(&use);
  return is ? &other : nullptr;
}

/// Whether the map that `v` is made of, element by element, is read by nothing else.
bool isReadOnce(Value v) {
  while (v.hasOneUse()) {
    Operation *op = v.getDefiningOp();
    if (isa_and_nonnull<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(op)) {
      v = op->getOperand(0);
      continue;
    }
    auto made = dyn_cast_or_null<linalg::GenericOp>(op);
    if (!made || made->hasAttr("cnn.kernel") || made.getNumReductionLoops())
      return true;
    Value map;
    for (OpOperand *o : made.getDpsInputOperands())
      if (made.getMatchingIndexingMap(o).isIdentity()) {
        if (map)
          return true; // of several
        map = o->get();
      }
    if (!map)
      return true;
    v = map;
  }
  return false;
}

/// A ReLU between a convolution and a pool: the gradient that a window's largest pixel takes is masked by that pixel, which the pool has made, and no
/// map is read. Behind a normalisation the readers need its map anyway, and make the mask of it.
void maskByPooled(linalg::GenericOp pool, linalg::GenericOp gradient, const WindowGeometry &g) {
  Value y = pool.getInputs()[0];
  auto relu = y.getDefiningOp<linalg::GenericOp>();
  if (!relu || relu->hasAttr("cnn.kernel") || relu.getNumDpsInputs() != 1 || !isReadOnce(relu.getInputs()[0]))
    return;
  for (OpOperand &use : gradient->getResult(0).getUses()) {
    auto reader = cast<linalg::GenericOp>(use.getOwner());
    OpOperand *mask = maskOf(reader, use);
    if (!mask || mask->get() != y)
      continue;
    SmallVector<AffineMap> maps = reader.getIndexingMapsArray();
    maps[mask->getOperandNumber()] = mapsOf(reader.getContext(), g).window;
    mask->set(pool->getResult(0));
    reader.setIndexingMapsAttr(OpBuilder(reader).getAffineMapArrayAttr(maps));
  }
}

} // namespace

linalg::GenericOp poolOf(OpOperand &use) {
  Operation *reader = use.getOwner();
  if (auto pad = dyn_cast<tensor::PadOp>(reader)) {
    if (!pad->hasOneUse())
      return {};
    return poolOf(*pad->use_begin());
  }
  auto pool = dyn_cast<linalg::GenericOp>(reader);
  auto family = pool ? pool->getAttrOfType<StringAttr>("cnn.kernel") : nullptr;
  return family && (family.getValue() == "maxpool" || family.getValue() == "avgpool") && use.getOperandNumber() == 0 ? pool : linalg::GenericOp();
}

bool takesIn(linalg::GenericOp pool, linalg::GenericOp program) {
  constexpr int64_t mostShares = 4; // windows of a pixel
  const auto g = WindowGeometry::fromAttr(pool->getAttrOfType<DenseI64ArrayAttr>("cnn.geometry"));
  return isOfPixels(program) && g.KH * g.KW <= (isCostly(program) ? 1 : mostShares) * g.SH * g.SW;
}

SmallVector<linalg::GenericOp> gatherPools(Operation *function) {
  SmallVector<linalg::GenericOp> kernels;
  function->walk([&](linalg::GenericOp op) {
    auto family = op->getAttrOfType<StringAttr>("cnn.kernel");
    if (!family || (family.getValue() != "maxpool_grad" && family.getValue() != "avgpool_grad"))
      return;
    const auto g = WindowGeometry::fromAttr(op->getAttrOfType<DenseI64ArrayAttr>("cnn.geometry"));
    if (!isTiled(g) || !hasElementwiseReaders(op))
      return;
    linalg::GenericOp gradient = gathered(op, g);
    op->getResult(0).replaceAllUsesWith(gradient->getResult(0));
    if (family.getValue() == "maxpool_grad")
      if (auto pool = op.getInputs()[1].getDefiningOp<linalg::GenericOp>())
        maskByPooled(pool, gradient, g);
    gradient->setAttr(mark, IntegerAttr::get(IndexType::get(op.getContext()), kernels.size()));
    kernels.push_back(op);
  });
  return kernels;
}

void endGathering(Operation *function, ArrayRef<linalg::GenericOp> kernels) {
  SmallVector<linalg::GenericOp> left;
  function->walk([&](linalg::GenericOp op) {
    if (op->hasAttr(mark))
      left.push_back(op);
  });
  for (linalg::GenericOp program : left) {
    program->replaceAllUsesWith(linalg::GenericOp(kernels[program->getAttrOfType<IntegerAttr>(mark).getInt()]));
    program.erase();
  }
  for (linalg::GenericOp kernel : kernels)
    if (kernel.use_empty())
      kernel.erase();
}

} // namespace cnnc
