// The losses' parts: cross-entropy and log_softmax subtract each row's maximum before they raise to powers; a label becomes a choice by its number.
// RUN: cnn-opt %s -cnn-layout -cnn-to-linalg | FileCheck %s --implicit-check-not='= cnn.'

// CHECK-LABEL: @cross_entropy(
// CHECK: linalg.generic {{.*}}["parallel", "reduction"]
// CHECK: arith.maximumf
// CHECK: linalg.generic {{.*}}["parallel", "reduction"]
// CHECK: arith.subf
// CHECK: math.exp
// CHECK: linalg.generic {{.*}}["reduction", "reduction"]
// CHECK: math.log
// CHECK: linalg.generic {{.*}}["parallel", "parallel"]
func.func @cross_entropy(%x: tensor<2x3xf32>, %l: tensor<2xi32>) -> (tensor<f32>, tensor<2x3xf32>) {
  %e = cnn.cross_entropy %x, %l smoothing 0.1 : (tensor<2x3xf32>, tensor<2xi32>) -> tensor<f32>
  %d = cnn.cross_entropy_grad %x, %l smoothing 0.1 : (tensor<2x3xf32>, tensor<2xi32>) -> tensor<2x3xf32>
  return %e, %d : tensor<f32>, tensor<2x3xf32>
}

// CHECK-LABEL: @parts(
// CHECK: arith.maximumf
// CHECK: math.exp
// CHECK: math.log
// CHECK: %[[K:.*]] = linalg.index 1
// CHECK: arith.cmpi eq
// CHECK: linalg.generic {{.*}}["parallel"]
// CHECK: linalg.index 0
func.func @parts(%x: tensor<2x3xf32>, %l: tensor<2xi32>) -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<3xf32>) {
  %y = cnn.log_softmax %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %t = cnn.one_hot %l : (tensor<2xi32>) -> tensor<2x3xf32>
  %w = cnn.class_weights [0.5, 1.0, 2.0] : () -> tensor<3xf32>
  return %y, %t, %w : tensor<2x3xf32>, tensor<2x3xf32>, tensor<3xf32>
}
