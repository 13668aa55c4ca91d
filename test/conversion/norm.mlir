// Batch normalisation: statistics are sums over all but the channels, which lie last; normalize is elementwise.
// RUN: cnn-opt %s -cnn-layout -cnn-to-linalg | FileCheck %s --implicit-check-not='= cnn.'

// CHECK-LABEL: @norm(
// CHECK: linalg.generic {{.*}}["reduction", "reduction", "reduction", "parallel"]
// CHECK: linalg.generic {{.*}}["parallel", "parallel", "parallel", "parallel"]
// CHECK: math.sqrt
// CHECK: linalg.generic {{.*}}["reduction", "reduction", "reduction", "parallel"]
// CHECK: linalg.generic {{.*}}["parallel", "parallel", "parallel", "parallel"]
func.func @norm(%x: tensor<2x3x4x4xf32>, %w: tensor<3xf32>, %b: tensor<3xf32>) -> (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>) {
  %m, %v = cnn.batch_stats %x : (tensor<2x3x4x4xf32>) -> (tensor<3xf32>, tensor<3xf32>)
  %y = cnn.normalize %x, %m, %v, %w, %b eps 1.0e-5 : (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4x4xf32>
  %dx, %dw, %db = cnn.batchnorm_grad %y, %x, %m, %v, %w eps 1.0e-5 : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>)
  return %dx, %dw, %db : tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>
}
