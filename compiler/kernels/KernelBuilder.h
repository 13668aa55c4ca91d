// Builds the body of one kernel function: loops, vectors, addresses.
// In: the kernel's buffers.  Out: func.func @kernel(memref<elements x T>..., index piece) in scf, vector, memref, arith.
#pragma once

#include "compiler/kernels/Program.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"

namespace cnnc {

/// The type that elements of `stored` are computed in: bf16 is a form of storage alone.
inline mlir::Type computedIn(mlir::Type stored) { return stored.isBF16() ? mlir::Type(mlir::Float32Type::get(stored.getContext())) : stored; }

/// What becomes of the lanes that a kernel makes. Does not own what it calls.
class StoreLanes {
public:
  /// Vector, index of its first lane, how many of them count.
  using Store = llvm::function_ref<void(mlir::Value, mlir::Value, int64_t)>;
  using Announce = llvm::function_ref<void(mlir::Value)>;
  StoreLanes(Store store, Announce announce = {}) : store(store), announce(announce) {}
  void operator()(mlir::Value vector, mlir::Value index, int64_t width) const { store(vector, index, width); }
  /// Whether more is read and written at the lanes' places than they themselves.
  bool reads() const { return bool(announce); }
  /// Says that lanes at `index` follow soon; it may lie outside of the buffer.
  void soon(mlir::Value index) const {
    if (announce)
      announce(index);
  }

private:
  Store store;
  Announce announce;
};

/// Loads give what elements are computed in, stores take it: bf16 is widened and rounded to even on the way.
class KernelBuilder {
public:
  mlir::OpBuilder b;
  mlir::Location loc;
  mlir::func::FuncOp function;
  mlir::Value piece; ///< index: which piece of the work this call does
  const TargetInfo &target;

  KernelBuilder(mlir::ModuleOp module, mlir::StringRef name, mlir::Location loc, llvm::ArrayRef<KernelArgument> arguments,
                const TargetInfo &target);

  mlir::Value buffer(unsigned i) { return function.getArgument(i); }
  void finish() { mlir::func::ReturnOp::create(b, loc); }

  /// Lanes of a vector register for the type that an element is computed in.
  int64_t lanes(mlir::Type element) const { return target.vectorBytes * 8 / computedIn(element).getIntOrFloatBitWidth(); }

  // Index arithmetic; constants fold.
  mlir::Value constant(int64_t v) { return mlir::arith::ConstantIndexOp::create(b, loc, v); }
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value add(mlir::Value x, int64_t y);
  mlir::Value sub(mlir::Value x, mlir::Value y) { return b.createOrFold<mlir::arith::SubIOp>(loc, x, y); }
  mlir::Value mul(mlir::Value x, int64_t y);
  mlir::Value div(mlir::Value x, int64_t y);
  mlir::Value mod(mlir::Value x, int64_t y);
  mlir::Value min(mlir::Value x, mlir::Value y) { return b.createOrFold<mlir::arith::MinSIOp>(loc, x, y); }
  mlir::Value max(mlir::Value x, mlir::Value y) { return b.createOrFold<mlir::arith::MaxSIOp>(loc, x, y); }
  /// ceil(x / y) for y > 0 and any x.
  mlir::Value ceilDiv(mlir::Value x, int64_t y);
  mlir::Value floorDiv(mlir::Value x, int64_t y);

  // Floating point.
  mlir::Value scalar(mlir::Type type, double v);
  mlir::Value zeroVector(mlir::Type element, int64_t lanes);
  mlir::Value splat(mlir::Value scalar, int64_t lanes);

  /// `width` lanes at buffer[index]; a vector of `lanes` lanes whose rest is zero.
  mlir::Value load(mlir::Value buffer, mlir::Value index, int64_t lanes, int64_t width);
  mlir::Value load(mlir::Value buffer, mlir::Value index, int64_t lanes) { return load(buffer, index, lanes, lanes); }
  /// The same, as they are stored.
  mlir::Value loadStored(mlir::Value buffer, mlir::Value index, int64_t lanes, int64_t width);
  void store(mlir::Value vector, mlir::Value buffer, mlir::Value index, int64_t width);
  /// The lanes at buffer[index] where `mask` is set, zero elsewhere.
  mlir::Value loadMasked(mlir::Value buffer, mlir::Value index, mlir::Value mask);
  mlir::Value loadScalar(mlir::Value buffer, mlir::Value index) { return widened(mlir::memref::LoadOp::create(b, loc, buffer, index)); }
  void storeScalar(mlir::Value value, mlir::Value buffer, mlir::Value index) {
    mlir::memref::StoreOp::create(b, loc, narrowed(value, buffer), buffer, index);
  }

  // Pairs of bf16 that lie side by side, in a buffer of bf16 or of i32; indices, lanes and widths count pairs.
  mlir::Value loadPairs(mlir::Value buffer, mlir::Value index, int64_t lanes, int64_t width);
  /// One pair in all lanes.
  mlir::Value splatPair(mlir::Value buffer, mlir::Value index, int64_t lanes);
  /// Stores bf16(value) as one half of each pair, in a buffer of i32: the low half with zeros beside it, the high half beside what is there.
  void storeHalves(mlir::Value value, bool high, mlir::Value buffer, mlir::Value index);
  /// Pairs as they are, in i32, in a buffer of bf16.
  void storeWords(mlir::Value words, mlir::Value buffer, mlir::Value index);
  /// Pairs (low[i], high[i]) of two vectors of f32.
  void storePairs(mlir::Value low, mlir::Value high, mlir::Value buffer, mlir::Value index, int64_t width);
  /// bf16(value) and what that leaves over, as f32.
  std::pair<mlir::Value, mlir::Value> split(mlir::Value value);
  /// sum[i] + x[i].low y[i].low + x[i].high y[i].high, in f32. Needs TargetInfo::dotsPairs.
  mlir::Value dot(mlir::Value x, mlir::Value y, mlir::Value sum);
  mlir::Value fma(mlir::Value x, mlir::Value y, mlir::Value z) { return mlir::vector::FMAOp::create(b, loc, x, y, z); }

  /// Asks a level of the caches for what stands at `index`; it may lie outside of the buffer. `isWrite`: for this core alone.
  enum CacheLevel { Second = 2, First = 3 };
  void prefetch(mlir::Value buffer, mlir::Value index, CacheLevel level = Second, bool isWrite = false) {
    mlir::memref::PrefetchOp::create(b, loc, buffer, index, isWrite, /*localityHint=*/level, /*isDataCache=*/true);
  }

  /// Whether a buffer has a place: cnn_call::gradients may have none.
  mlir::Value isPresent(mlir::Value buffer);

  /// Memory of this call alone, on its stack, at the start of a line of the cache.
  mlir::Value scratch(mlir::Type element, int64_t elements) {
    return mlir::memref::AllocaOp::create(b, loc, mlir::MemRefType::get({elements}, element), b.getI64IntegerAttr(64));
  }

  using LoopBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)>;
  /// for i = lo; i < hi; i += step, carrying values; a loop that is known to run once or never is written out, and one that carries values and runs twice.
  llvm::SmallVector<mlir::Value> loop(mlir::Value lo, mlir::Value hi, int64_t step, mlir::ValueRange carried, LoopBody body);
  void loop(mlir::Value lo, mlir::Value hi, int64_t step, llvm::function_ref<void(mlir::Value)> body);
  void when(mlir::Value condition, llvm::function_ref<void()> body);
  /// What one of two branches gives.
  llvm::SmallVector<mlir::Value> choose(mlir::Value condition, mlir::TypeRange types, llvm::function_ref<llvm::SmallVector<mlir::Value>()> then,
                                        llvm::function_ref<llvm::SmallVector<mlir::Value>()> otherwise);
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y) { return b.createOrFold<mlir::arith::SelectOp>(loc, condition, x, y); }
  mlir::Value less(mlir::Value x, mlir::Value y) {
    return mlir::arith::CmpIOp::create(b, loc, mlir::arith::CmpIPredicate::slt, x, y);
  }
  mlir::Value equal(mlir::Value x, mlir::Value y) {
    return mlir::arith::CmpIOp::create(b, loc, mlir::arith::CmpIPredicate::eq, x, y);
  }

private:
  mlir::Value mask(int64_t lanes, int64_t width);
  mlir::Value widened(mlir::Value value);
  mlir::Value narrowed(mlir::Value value, mlir::Value buffer);
  void storeStored(mlir::Value vector, mlir::Value buffer, mlir::Value index, int64_t width);
};

} // namespace cnnc
