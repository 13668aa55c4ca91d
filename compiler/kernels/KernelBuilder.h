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

struct KernelArgument {
  mlir::Type element;
  int64_t elements;
};

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

  /// Lanes of a vector register for an element type.
  int64_t lanes(mlir::Type element) const { return target.vectorBytes * 8 / element.getIntOrFloatBitWidth(); }

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
  void store(mlir::Value vector, mlir::Value buffer, mlir::Value index, int64_t width);
  mlir::Value loadScalar(mlir::Value buffer, mlir::Value index) { return mlir::memref::LoadOp::create(b, loc, buffer, index); }
  void storeScalar(mlir::Value value, mlir::Value buffer, mlir::Value index) {
    mlir::memref::StoreOp::create(b, loc, value, buffer, index);
  }
  mlir::Value fma(mlir::Value x, mlir::Value y, mlir::Value z) { return mlir::vector::FMAOp::create(b, loc, x, y, z); }

  /// Memory of this call alone, on its stack, at the start of a line of the cache.
  mlir::Value scratch(mlir::Type element, int64_t elements) {
    return mlir::memref::AllocaOp::create(b, loc, mlir::MemRefType::get({elements}, element), b.getI64IntegerAttr(64));
  }

  using LoopBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)>;
  /// for i = lo; i < hi; i += step, carrying values; a loop that is known to run once or never is written out.
  llvm::SmallVector<mlir::Value> loop(mlir::Value lo, mlir::Value hi, int64_t step, mlir::ValueRange carried, LoopBody body);
  void loop(mlir::Value lo, mlir::Value hi, int64_t step, llvm::function_ref<void(mlir::Value)> body);
  void when(mlir::Value condition, llvm::function_ref<void()> body);
  mlir::Value less(mlir::Value x, mlir::Value y) {
    return mlir::arith::CmpIOp::create(b, loc, mlir::arith::CmpIPredicate::slt, x, y);
  }
  mlir::Value equal(mlir::Value x, mlir::Value y) {
    return mlir::arith::CmpIOp::create(b, loc, mlir::arith::CmpIPredicate::eq, x, y);
  }

private:
  mlir::Value mask(int64_t lanes, int64_t width);
};

} // namespace cnnc
