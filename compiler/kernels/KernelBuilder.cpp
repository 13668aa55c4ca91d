// KernelBuilder: see the header.
// In: requests for loops, loads and arithmetic.  Out: operations at the builder's insertion point.
#include "compiler/kernels/KernelBuilder.h"

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

Value KernelBuilder::load(Value buffer, Value index, int64_t lanes, int64_t width) {
  Type element = cast<MemRefType>(buffer.getType()).getElementType();
  auto type = VectorType::get(lanes, element);
  if (width == lanes)
    return vector::LoadOp::create(b, loc, type, buffer, index);
  Value rest = arith::ConstantOp::create(b, loc, type, b.getZeroAttr(type));
  return vector::MaskedLoadOp::create(b, loc, type, buffer, index, mask(lanes, width), rest);
}

void KernelBuilder::store(Value vector, Value buffer, Value index, int64_t width) {
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
  if (width == lanes)
    vector::StoreOp::create(b, loc, vector, buffer, index);
  else
    vector::MaskedStoreOp::create(b, loc, buffer, index, mask(lanes, width), vector);
}

SmallVector<Value> KernelBuilder::loop(Value lo, Value hi, int64_t step, ValueRange carried, LoopBody body) {
  auto l = getConstantIntValue(lo), h = getConstantIntValue(hi);
  if (l && h) {
    if (*l >= *h)
      return SmallVector<Value>(carried);
    if (*l + step >= *h)
      return body(lo, carried);
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
