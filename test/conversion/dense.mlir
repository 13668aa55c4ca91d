// The three products of a dense layer: which loop is summed over tells them apart.
// RUN: cnn-opt %s -cnn-layout -cnn-to-linalg | FileCheck %s --implicit-check-not='= cnn.'

// CHECK-LABEL: @dense(
// CHECK: linalg.generic {{.*}}["parallel", "parallel", "reduction"]{{.*}}tensor<2x5xf32>, tensor<3x5xf32>) outs(%{{.*}} : tensor<2x3xf32>){{.*}}cnn.kernel = "dense"}
// CHECK: linalg.generic {{.*}}["parallel", "reduction", "parallel"]{{.*}}outs(%{{.*}} : tensor<2x5xf32>){{.*}}cnn.kernel = "dense_input_grad"
// CHECK: linalg.generic {{.*}}["reduction", "parallel", "parallel"]{{.*}}outs(%{{.*}} : tensor<3x5xf32>){{.*}}cnn.kernel = "dense_filter_grad"
func.func @dense(%x: tensor<2x5xf32>, %w: tensor<3x5xf32>) -> (tensor<2x3xf32>, tensor<2x5xf32>, tensor<3x5xf32>) {
  %y = cnn.dense %x, %w : (tensor<2x5xf32>, tensor<3x5xf32>) -> tensor<2x3xf32>
  %dx = cnn.dense_input_grad %w, %y : (tensor<3x5xf32>, tensor<2x3xf32>) -> tensor<2x5xf32>
  %dw = cnn.dense_filter_grad %x, %y : (tensor<2x5xf32>, tensor<2x3xf32>) -> tensor<3x5xf32>
  return %y, %dx, %dw : tensor<2x3xf32>, tensor<2x5xf32>, tensor<3x5xf32>
}
