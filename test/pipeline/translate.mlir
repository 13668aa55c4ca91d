// cnn-translate prints the LLVM dialect as LLVM IR.
// RUN: cnn-translate -mlir-to-llvmir %s | FileCheck %s
// CHECK: define double @twice(double %[[X:.*]])
// CHECK: fadd double %[[X]], %[[X]]
llvm.func @twice(%x: f64) -> f64 {
  %0 = llvm.fadd %x, %x : f64
  llvm.return %0 : f64
}
