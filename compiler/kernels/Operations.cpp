// Operations that move data, elementwise programs and sums.
// In: tensor slices, linalg.transpose, plain linalg.generic.  Out: launches.
#include "compiler/kernels/Lowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace cnnc {

LogicalResult Lowering::lower(Operation &op) {
  return TypeSwitch<Operation *, LogicalResult>(&op)
      .Case<arith::ConstantOp, tensor::EmptyOp, linalg::FillOp>([](auto) { return success(); })
      .Case<tensor::ExpandShapeOp, tensor::CollapseShapeOp>([&](auto o) {
        auto made = o->getOperand(0).template getDefiningOp<linalg::GenericOp>();
        return made && endsWithEpilogue(made) ? success() : alias(o->getResult(0), o->getOperand(0));
      })
      .Case<tensor::PadOp>([&](auto o) {
        auto program = o.getSource().template getDefiningOp<linalg::GenericOp>();
        return program && isTakenIn(program) ? success() : alias(o.getResult(), o.getSource());
      })
      .Case<tensor::ExtractSliceOp>([&](auto o) { return lowerExtract(o); })
      .Case<tensor::InsertSliceOp>([&](auto o) { return lowerInsert(o); })
      .Case<linalg::TransposeOp>([&](auto o) { return lowerTranspose(o); })
      .Case<linalg::GenericOp>([&](auto o) {
        if (o->hasAttr("cnn.kernel"))
          return endsWithEpilogue(o) ? success() : lowerFamily(o, {}); // in the epilogue's place
        if (fused.contains(o) || isTakenIn(o))
          return success();
        auto convolution = convolutionOf(o, target, !keepsWeights());
        return convolution ? lowerFamily(convolution, o) : lowerNest(o);
      })
      .Default([](Operation *o) { return o->emitOpError("has no kernel"); });
}

void Lowering::copyRows(Location loc, Ref from, int64_t fromStride, int64_t fromOffset, Ref to, int64_t toStride, int64_t toOffset, int64_t rows,
                int64_t width, Type element) {
  launch(loc, "copy", textOf({fromStride, fromOffset, toStride, toOffset, rows, width}), {{from, rows * fromStride, element, false}, {to, rows * toStride, element, true}}, 0,
         [&](KernelBuilder &k, ArrayRef<int> a) {
           constexpr int64_t grain = 16384;
           int64_t lanes = k.lanes(element), whole = width / lanes * lanes, perPiece = std::max<int64_t>(1, grain / width);
           Value first = k.mul(k.piece, perPiece), last = k.min(k.add(first, perPiece), k.constant(rows));
           k.loop(first, last, 1, [&](Value r) {
             Value source = k.add(k.mul(r, fromStride), fromOffset), target = k.add(k.mul(r, toStride), toOffset);
             auto move = [&](Value i, int64_t n) {
               k.store(k.load(k.buffer(a[0]), k.add(source, i), lanes, n), k.buffer(a[1]), k.add(target, i), n);
             };
             k.loop(k.constant(0), k.constant(whole), lanes, [&](Value i) { move(i, lanes); });
             if (whole < width)
               move(k.constant(whole), width - whole);
           });
           k.finish();
           return (rows + perPiece - 1) / perPiece;
         });
}

LogicalResult Lowering::lowerExtract(tensor::ExtractSliceOp op) {
  auto source = ref(op.getSource());
  if (failed(source))
    return failure();
  if (source->cropped) { // the kernel has written the interior alone
    where[op.getResult()] = {source->buffer, source->byteOffset, false};
    return success();
  }
  auto shape = op.getSourceType().getShape();
  auto sizes = op.getStaticSizes(), offsets = op.getStaticOffsets();
  Type element = op.getSourceType().getElementType();
  int64_t rank = shape.size(), linear = 0, split = rank - 1;
  for (int64_t i = 0; i < rank; ++i)
    linear = linear * shape[i] + offsets[i];
  while (split > 0 && sizes[split] == shape[split])
    --split;
  bool contiguous = true;
  for (int64_t i = 0; i < split; ++i)
    contiguous &= sizes[i] == 1;
  if (contiguous) {
    where[op.getResult()] = {source->buffer, source->byteOffset + linear * elementBytes(element), false};
    return success();
  }
  for (int64_t i = 0; i + 1 < rank; ++i)
    if (sizes[i] != shape[i])
      return op.emitOpError("is not a slice of channels");
  Ref r = newBuffer(op.getResult());
  copyRows(op.getLoc(), *source, shape.back(), offsets.back(), r, sizes.back(), 0, op.getSourceType().getNumElements() / shape.back(),
           sizes.back(), element);
  return success();
}

LogicalResult Lowering::lowerInsert(tensor::InsertSliceOp op) {
  auto source = ref(op.getSource());
  if (failed(source))
    return failure();
  Ref target = op.getDest().getDefiningOp<tensor::EmptyOp>() ? newBuffer(op.getResult()) : where.lookup(op.getDest());
  if (target.buffer < 0)
    return op.emitOpError("joins into a tensor without a place");
  where[op.getResult()] = target;
  auto from = op.getSourceType().getShape(), to = cast<ShapedType>(op.getResult().getType()).getShape();
  copyRows(op.getLoc(), *source, from.back(), 0, target, to.back(), op.getStaticOffsets().back(),
           op.getSourceType().getNumElements() / from.back(), from.back(), op.getSourceType().getElementType());
  return success();
}

LogicalResult Lowering::lowerTranspose(linalg::TransposeOp op) {
  auto source = ref(op.getInput());
  if (failed(source))
    return failure();
  auto type = cast<ShapedType>(op.getInput().getType());
  auto s = type.getShape();
  auto p = op.getPermutation();
  Transposition t;
  int64_t rows, columns;
  if (p == ArrayRef<int64_t>{0, 3, 1, 2}) // N,(HW,C) -> N,(C,HW)
    rows = s[1] * s[2], columns = s[3];
  else if (p == ArrayRef<int64_t>{0, 2, 3, 1}) // N,(C,HW) -> N,(HW,C)
    rows = s[1], columns = s[2] * s[3];
  else
    return op.emitOpError("is not a change between channels first and channels last");
  t.loops = {{s[0], rows * columns, rows * columns}};
  t.rows = rows, t.columns = columns, t.sourceRow = columns, t.targetRow = rows;
  Ref r = newBuffer(op->getResult(0));
  transpose(op.getLoc(), t, {*source, type.getNumElements(), type.getElementType()}, {r, type.getNumElements(), type.getElementType()});
  return success();
}

void Lowering::combine(Location loc, Ref partial, Type partialType, Ref out, Type element, int64_t parts, int64_t size, bool isMax) {
  Gradient to{{out, size, element}, {}};
  combine(loc, partial, partialType, to, parts, isMax);
}

void Lowering::combine(Location loc, Ref partial, Type partialType, const Gradient &out, int64_t parts, bool isMax) {
  const int64_t size = out.memory.elements;
  launchGradient(loc, "combine", textOf({isMax, parts, size}), {{partial, parts * size, partialType, false}}, out, 0, [&](KernelBuilder &k, StoreLanes store) {
    buildCombine(k, isMax, parts, size, partialType, out.memory.element, store);
    return combinePieces(size);
  });
}

LogicalResult Lowering::lowerNest(linalg::GenericOp op) {
  Type element = cast<ShapedType>(op->getResult(0).getType()).getElementType();
  int64_t narrowest = elementBytes(computedIn(element)); // lanes are those of the floating-point inputs
  for (Value v : op.getInputs())
    if (Type t = cast<ShapedType>(v.getType()).getElementType(); isa<FloatType>(t)) {
      narrowest = elementBytes(computedIn(t));
      break;
    }
  int64_t lanes = target.vectorBytes / narrowest;
  auto plan = planNest(op, lanes, program.batch);
  if (failed(plan))
    return op.emitOpError("is neither elementwise nor a sum that has a kernel");
  SmallVector<Argument> arguments;
  SmallVector<size_t> inputs; ///< those that are in memory
  for (auto [i, v] : llvm::enumerate(op.getInputs())) {
    if (plan->operands[i].of == NestPlan::Strides::Of::Cells)
      continue;
    inputs.push_back(i);
    Type t = cast<ShapedType>(v.getType()).getElementType();
    auto r = ref(v);
    if (failed(r))
      return failure();
    const NestPlan::Strides &s = plan->operands[i];
    bool varies = plan->cut == NestPlan::Cut::Elements ? s.c : s.n || s.r;
    arguments.push_back(ofImages({*r, cast<ShapedType>(v.getType()).getNumElements(), t, false}, plan->byImage && varies ? program.batch : 0));
    arguments.back().touched = (s.n ? plan->N : 1) * (s.r ? plan->R * (s.of == NestPlan::Strides::Of::Windows ? 1 : plan->windows.cells()) : 1) * (s.c ? plan->C : 1);
  }
  Type partialType = plan->wide ? Float64Type::get(op.getContext()) : element;
  SmallVector<Ref> results, partials;
  for (Value v : op->getResults()) {
    results.push_back(newBuffer(v));
    int64_t elements = cast<ShapedType>(v.getType()).getNumElements();
    if (plan->hasPartials()) {
      elements *= plan->pieces;
      partials.push_back(scratch(elements, partialType));
      arguments.push_back({partials.back(), elements, partialType, true});
    } else {
      bool sums = plan->mode == NestPlan::Mode::ToChannels || plan->mode == NestPlan::Mode::ToScalar;
      arguments.push_back(ofImages({results.back(), elements, cast<ShapedType>(v.getType()).getElementType(), true}, plan->byImage && !sums ? program.batch : 0));
    }
  }
  bool map = plan->mode == NestPlan::Mode::Map;
  launch(op.getLoc(), map ? "map" : "sum", plan->text(), arguments, 0, [&](KernelBuilder &k, ArrayRef<int> numbers) {
    SmallVector<int> ofOperands(op->getNumOperands(), -1);
    for (auto [i, number] : llvm::enumerate(numbers))
      ofOperands[i < inputs.size() ? inputs[i] : op.getNumDpsInputs() + i - inputs.size()] = number;
    buildNest(k, *plan, ofOperands);
    return plan->pieces;
  });
  program.launches.back().mayRenew = map && !isCostly(op);
  if (plan->hasPartials())
    for (auto [i, r] : llvm::enumerate(results))
      combine(op.getLoc(), partials[i], partialType, r, element, plan->pieces, plan->resultElements(), isa<arith::MaximumFOp>(*combinerOf(op, i)));
  return success();
}

} // namespace cnnc
