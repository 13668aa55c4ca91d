// Tile registers. LLVM places them and their configuration; a tile's extents are constants of the operations.
// In: requests for tiles.  Out: LLVM's intrinsics at the builder's insertion point.
#include "compiler/kernels/Amx.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace cnnc {

static Value call(KernelBuilder &k, StringRef name, bool hasResult, ValueRange arguments) {
  auto type = LLVM::LLVMX86AMXType::get(k.b.getContext());
  auto op = hasResult ? LLVM::CallIntrinsicOp::create(k.b, k.loc, type, k.b.getStringAttr(name), arguments)
                      : LLVM::CallIntrinsicOp::create(k.b, k.loc, k.b.getStringAttr(name), arguments);
  return hasResult ? op.getResult(0) : Value();
}

static Value extent(KernelBuilder &k, int64_t value) { return arith::ConstantOp::create(k.b, k.loc, k.b.getI16IntegerAttr(value)); }

static int64_t elementBytes(Value buffer) { return cast<MemRefType>(buffer.getType()).getElementTypeBitWidth() / 8; }

static Value address(KernelBuilder &k, Value buffer, Value index) {
  Value base = memref::ExtractAlignedPointerAsIndexOp::create(k.b, k.loc, buffer);
  Value at = k.add(base, k.mul(index, elementBytes(buffer)));
  at = arith::IndexCastOp::create(k.b, k.loc, k.b.getI64Type(), at);
  return LLVM::IntToPtrOp::create(k.b, k.loc, LLVM::LLVMPointerType::get(k.b.getContext()), at);
}

static Value bytes(KernelBuilder &k, Value buffer, int64_t elements) {
  return arith::ConstantOp::create(k.b, k.loc, k.b.getI64IntegerAttr(elements * elementBytes(buffer)));
}

Value Tiles::zero(int64_t rows, int64_t units) { return call(k, "llvm.x86.tilezero.internal", true, {extent(k, rows), extent(k, units * 4)}); }

Value Tiles::load(Value buffer, Value index, int64_t stride, int64_t rows, int64_t units) {
  return call(k, "llvm.x86.tileloadd64.internal", true, {extent(k, rows), extent(k, units * 4), address(k, buffer, index), bytes(k, buffer, stride)});
}

void Tiles::store(Value tile, Value buffer, Value index, int64_t stride, int64_t rows, int64_t units) {
  call(k, "llvm.x86.tilestored64.internal", false, {extent(k, rows), extent(k, units * 4), address(k, buffer, index), bytes(k, buffer, stride), tile});
}

Value Tiles::multiply(Value sum, Value x, Value y, int64_t rows, int64_t columns, int64_t pairs) {
  return call(k, "llvm.x86.tdpbf16ps.internal", true, {extent(k, rows), extent(k, columns * 4), extent(k, pairs * 4), sum, x, y});
}

SmallVector<Value> Tiles::multiplyAll(SmallVector<Value> sums, int64_t xs, int64_t ys, bool split, Load x, Load y, int64_t rows, int64_t columns, int64_t pairs) {
  SmallVector<Value> xTiles(xs), yTiles(ys);
  auto product = [&](int64_t i, int64_t v) { sums[i * ys + v] = multiply(sums[i * ys + v], xTiles[i], yTiles[v], rows, columns, pairs); };
  for (int64_t i = 0; i < xs; ++i)
    xTiles[i] = x(i, high);
  for (int64_t v = 0; v < ys; ++v)
    yTiles[v] = y(v, split ? low : high);
  for (int64_t i = 0; i < xs; ++i)
    for (int64_t v = 0; v < ys; ++v)
      product(i, v);
  if (!split)
    return sums;
  for (int64_t v = 0; v < ys; ++v) {
    yTiles[v] = y(v, high);
    for (int64_t i = 0; i < xs; ++i)
      product(i, v);
  }
  for (int64_t i = 0; i < xs; ++i) {
    xTiles[i] = x(i, low);
    for (int64_t v = 0; v < ys; ++v)
      product(i, v);
  }
  return sums;
}

} // namespace cnnc
