// What the verifiers share.
// In: an operation and its values.  Out: success, or an error with the numbers (Checks.h).
#include "compiler/dialect/Checks.h"
#include "compiler/shape/Shape.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace cnnc;
using namespace cnnc::cnn;

ArrayRef<int64_t> cnnc::cnn::shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

FloatType cnnc::cnn::floatTypeOf(Value value) {
  return dyn_cast<FloatType>(cast<RankedTensorType>(value.getType()).getElementType());
}

std::string cnnc::cnn::shapeText(ArrayRef<int64_t> shape) {
  return shape.empty() ? "()" : llvm::join(llvm::map_range(shape, [](int64_t n) { return std::to_string(n); }), "x");
}

LogicalResult cnnc::cnn::checkFloats(Operation *op, ArrayRef<Named> values) {
  for (const Named &value : values) {
    auto type = cast<RankedTensorType>(value.value.getType());
    if (!type.hasStaticShape())
      return op->emitOpError() << value.name << " has a dynamic shape: " << type;
    if (!isa<FloatType>(type.getElementType()))
      return op->emitOpError() << value.name << " must have floating-point elements, has " << type.getElementType();
    if (type.getElementType() != floatTypeOf(values.front().value))
      return op->emitOpError() << value.name << " has elements of type " << type.getElementType() << ", "
                               << values.front().name << " of type " << floatTypeOf(values.front().value);
  }
  return success();
}

LogicalResult cnnc::cnn::checkRank(Operation *op, Named value, ArrayRef<int64_t> ranks) {
  int64_t rank = shapeOf(value.value).size();
  if (llvm::is_contained(ranks, rank))
    return success();
  std::string expected = llvm::join(llvm::map_range(ranks, [](int64_t n) { return std::to_string(n); }), " or ");
  return op->emitOpError() << value.name << " must have rank " << expected << ", has rank " << rank;
}

LogicalResult cnnc::cnn::checkShape(Operation *op, Named value, ArrayRef<int64_t> expected) {
  if (shapeOf(value.value) == expected)
    return success();
  return op->emitOpError() << value.name << " has shape " << shapeText(shapeOf(value.value)) << ", expected "
                           << shapeText(expected);
}

/// One axis of a window.
static LogicalResult checkSide(Operation *op, StringRef axis, int64_t W, int64_t K, int64_t S, int64_t before,
                               int64_t after, int64_t D, int64_t O) {
  std::optional<int64_t> expected = shape::outputSideUnchecked(W, K, S, before, after, D);
  if (expected && *expected == O && O > 0)
    return success();
  InFlightDiagnostic error = op->emitOpError() << "output " << axis << " is " << O << ", expected ";
  if (!expected)
    return error << "numbers that do not overflow";
  return error << "(" << W << " - " << D * (K - 1) + 1 << " + " << before + after << ")/" << S
               << " + 1 = " << *expected;
}

LogicalResult cnnc::cnn::checkWindow(Operation *op, const Window &window, Named input, Named output) {
  if (failed(checkRank(op, input, {4})) || failed(checkRank(op, output, {4})))
    return failure();
  auto count = [&](StringRef name, ArrayRef<int64_t> values, size_t n, int64_t least) -> LogicalResult {
    if (values.size() != n)
      return op->emitOpError() << name << " has " << values.size() << " values, expected " << n;
    for (int64_t value : values)
      if (value < least)
        return op->emitOpError() << name << " holds " << value << ", must be at least " << least;
    return success();
  };
  SmallVector<int64_t> ones{1, 1};
  ArrayRef<int64_t> dilations = window.dilations.empty() ? ArrayRef<int64_t>(ones) : window.dilations;
  if (failed(count("kernel", window.kernel, 2, 1)) || failed(count("strides", window.strides, 2, 1)) ||
      failed(count("pads", window.pads, 4, 0)) || failed(count("dilations", dilations, 2, 1)))
    return failure();
  const char *axes[] = {"height", "width"};
  for (int axis : {0, 1})
    if (failed(checkSide(op, axes[axis], shapeOf(input.value)[2 + axis], window.kernel[axis], window.strides[axis],
                         window.pads[axis], window.pads[2 + axis], dilations[axis], shapeOf(output.value)[2 + axis])))
      return failure();
  return success();
}
