// Every operation says its phase, its layer and the line of the program, through differentiation and update.
// RUN: cnn-opt %s -cnn-autodiff -cnn-optimizer -mlir-print-debuginfo -mlir-print-local-scope | FileCheck %s

// CHECK: cnn.dense {{.*}} loc("forward"("dense1"("a.cnn":2:3)))
// CHECK: cnn.cross_entropy_grad {{.*}} loc("backward"("softmax1"("a.cnn":3:3)))
// CHECK: cnn.dense_filter_grad {{.*}} loc("backward"("dense1"("a.cnn":2:3)))
// CHECK: cnn.map
// CHECK: cnn.yield
// CHECK-NEXT: } loc("update"("dense1"("a.cnn":2:3)))
func.func @forward(%x: tensor<4x3xf64> {cnn.role = "input"}, %w: tensor<3x3xf64> {cnn.role = "parameter", cnn.name = "dense1.weight"}) -> tensor<4x3xf64> {
  %0 = cnn.dense %x, %w : (tensor<4x3xf64>, tensor<3x3xf64>) -> tensor<4x3xf64> loc("forward"("dense1"("a.cnn":2:3)))
  %1 = cnn.softmax %0 : (tensor<4x3xf64>) -> tensor<4x3xf64> loc("forward"("softmax1"("a.cnn":3:3)))
  return %1 : tensor<4x3xf64>
}
func.func private @optimizer(%param: f64, %grad: f64, %lr: f64, %step: f64) -> f64 {
  %0 = arith.mulf %lr, %grad : f64
  %1 = arith.subf %param, %0 : f64
  return %1 : f64
}
