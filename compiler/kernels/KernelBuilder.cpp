// KernelBuilder: see the header.
// In: requests for loops, loads and arithmetic.  Out: operations at the builder's insertion point.
#include "compiler/kernels/KernelBuilder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace cnnc {

KernelBuilder::KernelBuilder(ModuleOp module, StringRef name, Location loc, ArrayRef<KernelArgument> arguments, const TargetInfo &target)
    : b(module.getContext()), loc(loc), target(target) {
  SmallVector<Type> types;
  for (const KernelArgument &a : arguments)
    types.push_back(MemRefType::get({a.elements}, a.element));
  types.push_back(b.getIndexType());
  b.setInsertionPointToEnd(module.getBody());
  function = func::FuncOp::create(b, loc, name, b.getFunctionType(types, {}));
  function.setPrivate();
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  piece = entry->getArguments().back();
}

Value KernelBuilder::add(Value x, Value y) { return b.createOrFold<arith::AddIOp>(loc, x, y); }
Value KernelBuilder::add(Value x, int64_t y) { return y == 0 ? x : add(x, constant(y)); }
Value KernelBuilder::mul(Value x, int64_t y) { return y == 1 ? x : b.createOrFold<arith::MulIOp>(loc, x, constant(y)); }
Value KernelBuilder::div(Value x, int64_t y) { return y == 1 ? x : b.createOrFold<arith::DivUIOp>(loc, x, constant(y)); }
Value KernelBuilder::mod(Value x, int64_t y) { return y == 1 ? constant(0) : b.createOrFold<arith::RemUIOp>(loc, x, constant(y)); }
Value KernelBuilder::ceilDiv(Value x, int64_t y) { return y == 1 ? x : b.createOrFold<arith::CeilDivSIOp>(loc, x, constant(y)); }
Value KernelBuilder::floorDiv(Value x, int64_t y) { return y == 1 ? x : b.createOrFold<arith::FloorDivSIOp>(loc, x, constant(y)); }

Value KernelBuilder::scalar(Type type, double v) { return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, v)); }

Value KernelBuilder::zeroVector(Type element, int64_t lanes) {
  auto type = VectorType::get(lanes, element);
  return arith::ConstantOp::create(b, loc, type, b.getZeroAttr(type));
}

Value KernelBuilder::splat(Value scalar, int64_t lanes) {
  return vector::BroadcastOp::create(b, loc, VectorType::get(lanes, scalar.getType()), scalar);
}

Value KernelBuilder::mask(int64_t lanes, int64_t width) {
  return vector::ConstantMaskOp::create(b, loc, VectorType::get(lanes, b.getI1Type()), ArrayRef<int64_t>{width});
}

static Type withElement(Value value, Type element) {
  auto vector = dyn_cast<VectorType>(value.getType());
  return vector ? Type(vector.clone(element)) : element;
}

Value KernelBuilder::widened(Value value) {
  Type stored = getElementTypeOrSelf(value.getType()), computed = computedIn(stored);
  return stored == computed ? value : Value(arith::ExtFOp::create(b, loc, withElement(value, computed), value));
}

Value KernelBuilder::narrowed(Value value, Value buffer) {
  Type stored = cast<MemRefType>(buffer.getType()).getElementType();
  bool same = !stored.isBF16() || getElementTypeOrSelf(value.getType()) == stored;
  return same ? value : Value(arith::TruncFOp::create(b, loc, withElement(value, stored), value));
}

Value KernelBuilder::loadStored(Value buffer, Value index, int64_t lanes, int64_t width) {
  auto type = VectorType::get(lanes, cast<MemRefType>(buffer.getType()).getElementType());
  if (width == lanes)
    return vector::LoadOp::create(b, loc, type, buffer, index);
  Value rest = arith::ConstantOp::create(b, loc, type, b.getZeroAttr(type));
  return vector::MaskedLoadOp::create(b, loc, type, buffer, index, mask(lanes, width), rest);
}

void KernelBuilder::storeStored(Value vector, Value buffer, Value index, int64_t width) {
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  if (width == lanes)
    vector::StoreOp::create(b, loc, vector, buffer, index);
  else
    vector::MaskedStoreOp::create(b, loc, buffer, index, mask(lanes, width), vector);
}

Value KernelBuilder::load(Value buffer, Value index, int64_t lanes, int64_t width) {
  return widened(loadStored(buffer, index, lanes, width));
}

Value KernelBuilder::loadMasked(Value buffer, Value index, Value mask) {
  auto type = cast<VectorType>(mask.getType()).clone(cast<MemRefType>(buffer.getType()).getElementType());
  Value rest = arith::ConstantOp::create(b, loc, type, b.getZeroAttr(type));
  return widened(vector::MaskedLoadOp::create(b, loc, type, buffer, index, mask, rest));
}

void KernelBuilder::store(Value vector, Value buffer, Value index, int64_t width) {
  storeStored(narrowed(vector, buffer), buffer, index, width);
}

Value KernelBuilder::loadPairs(Value buffer, Value index, int64_t lanes, int64_t width) {
  if (cast<MemRefType>(buffer.getType()).getElementType().isBF16())
    return loadStored(buffer, mul(index, 2), 2 * lanes, 2 * width);
  return vector::BitCastOp::create(b, loc, VectorType::get(2 * lanes, b.getBF16Type()), loadStored(buffer, index, lanes, width));
}

Value KernelBuilder::splatPair(Value buffer, Value index, int64_t lanes) {
  Value wide;
  if (cast<MemRefType>(buffer.getType()).getElementType().isBF16()) {
    Value pair = loadStored(buffer, mul(index, 2), 2, 2);
    Value bits = vector::BitCastOp::create(b, loc, VectorType::get(1, b.getI32Type()), pair);
    wide = splat(vector::ExtractOp::create(b, loc, bits, 0), lanes);
  } else {
    wide = splat(memref::LoadOp::create(b, loc, buffer, index), lanes);
  }
  return vector::BitCastOp::create(b, loc, VectorType::get(2 * lanes, b.getBF16Type()), wide);
}

void KernelBuilder::storeHalves(Value value, bool high, Value buffer, Value index) {
  int64_t lanes = cast<VectorType>(value.getType()).getNumElements();
  auto words = VectorType::get(lanes, b.getI32Type());
  Value rounded = arith::TruncFOp::create(b, loc, VectorType::get(lanes, b.getBF16Type()), value);
  Value bits = arith::ExtUIOp::create(b, loc, words, vector::BitCastOp::create(b, loc, VectorType::get(lanes, b.getI16Type()), rounded));
  if (high) {
    Value half = arith::ConstantOp::create(b, loc, words, DenseElementsAttr::get(words, b.getI32IntegerAttr(16)));
    bits = arith::OrIOp::create(b, loc, arith::ShLIOp::create(b, loc, bits, half), loadStored(buffer, index, lanes, lanes));
  }
  storeStored(bits, buffer, index, lanes);
}

void KernelBuilder::storeWords(Value words, Value buffer, Value index) {
  const int64_t elements = 2 * cast<VectorType>(words.getType()).getNumElements();
  storeStored(vector::BitCastOp::create(b, loc, VectorType::get(elements, b.getBF16Type()), words), buffer, mul(index, 2), elements);
}

void KernelBuilder::storePairs(Value low, Value high, Value buffer, Value index, int64_t width) {
  Value pairs = vector::InterleaveOp::create(b, loc, narrowed(low, buffer), narrowed(high, buffer));
  storeStored(pairs, buffer, mul(index, 2), 2 * width);
}

std::pair<Value, Value> KernelBuilder::split(Value value) {
  Value high = arith::TruncFOp::create(b, loc, withElement(value, b.getBF16Type()), value);
  return {high, arith::SubFOp::create(b, loc, value, arith::ExtFOp::create(b, loc, value.getType(), high))};
}

Value KernelBuilder::dot(Value x, Value y, Value sum) {
  auto type = cast<VectorType>(sum.getType());
  std::string name = "llvm.x86.avx512bf16.dpbf16ps." + std::to_string(type.getNumElements() * 32);
  return LLVM::CallIntrinsicOp::create(b, loc, type, b.getStringAttr(name), ValueRange{sum, x, y}).getResult(0);
}

SmallVector<Value> KernelBuilder::loop(Value lo, Value hi, int64_t step, ValueRange carried, LoopBody body) {
  auto l = getConstantIntValue(lo), h = getConstantIntValue(hi);
  if (l && h) {
    if (*l >= *h)
      return SmallVector<Value>(carried);
    if (*l + step >= *h)
      return body(lo, carried);
    // LLVM makes a flag of such a loop's counter, and then keeps what the loop reads on the stack.
    if (*l + 2 * step >= *h && !carried.empty())
      return body(add(lo, step), body(lo, carried));
  }
  auto forOp = scf::ForOp::create(b, loc, lo, hi, constant(step), carried);
  OpBuilder::InsertionGuard guard(b);
  if (carried.empty()) {
    b.setInsertionPointToStart(forOp.getBody()); // its terminator is there already
    body(forOp.getInductionVar(), {});
  } else {
    b.setInsertionPointToStart(forOp.getBody());
    SmallVector<Value> results = body(forOp.getInductionVar(), forOp.getRegionIterArgs());
    scf::YieldOp::create(b, loc, results);
  }
  return SmallVector<Value>(forOp.getResults());
}

void KernelBuilder::loop(Value lo, Value hi, int64_t step, llvm::function_ref<void(Value)> body) {
  loop(lo, hi, step, ValueRange{}, [&](Value i, ValueRange) -> SmallVector<Value> {
    body(i);
    return {};
  });
}

Value KernelBuilder::isPresent(Value buffer) {
  Value address = memref::ExtractAlignedPointerAsIndexOp::create(b, loc, buffer);
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, address, constant(0));
}

SmallVector<Value> KernelBuilder::choose(Value condition, TypeRange types, llvm::function_ref<SmallVector<Value>()> then,
                                         llvm::function_ref<SmallVector<Value>()> otherwise) {
  auto branch = scf::IfOp::create(b, loc, types, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&branch.getThenRegion().front());
  scf::YieldOp::create(b, loc, then());
  b.setInsertionPointToStart(&branch.getElseRegion().front());
  scf::YieldOp::create(b, loc, otherwise());
  return SmallVector<Value>(branch.getResults());
}

void KernelBuilder::when(Value condition, llvm::function_ref<void()> body) {
  APInt value;
  if (matchPattern(condition, m_ConstantInt(&value))) {
    if (!value.isZero())
      body();
    return;
  }
  auto ifOp = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&ifOp.getThenRegion().front());
  body();
}

} // namespace cnnc
