// Pools: the padding of maxpool is minus infinity and its indices are of the smallest type that fits; avgpool pads with zeros.
// RUN: cnn-opt %s -cnn-layout -cnn-to-linalg | FileCheck %s --implicit-check-not='= cnn.'

// CHECK-LABEL: @maxpool(
// CHECK-DAG: arith.constant 0xFF800000 : f32
// CHECK: tensor.pad %{{.*}} low[0, 1, 1, 0] high[0, 1, 1, 0]
// CHECK: linalg.generic {{.*}}outs({{.*}} : tensor<2x3x3x4xf32>, tensor<2x3x3x4xi8>){{.*}}cnn.kernel = "maxpool"}
// CHECK: linalg.generic {{.*}}cnn.kernel = "maxpool_grad"
// CHECK: tensor.extract_slice
func.func @maxpool(%x: tensor<2x4x5x5xf32>) -> tensor<2x4x5x5xf32> {
  %y, %i = cnn.maxpool %x kernel [3, 3] strides [2, 2] pads [1, 1, 1, 1] : (tensor<2x4x5x5xf32>) -> (tensor<2x4x3x3xf32>, tensor<2x4x3x3xi8>)
  %dx = cnn.maxpool_grad %y, %i kernel [3, 3] strides [2, 2] pads [1, 1, 1, 1] : (tensor<2x4x3x3xf32>, tensor<2x4x3x3xi8>) -> tensor<2x4x5x5xf32>
  return %dx : tensor<2x4x5x5xf32>
}

// CHECK-LABEL: @avgpool(
// CHECK: linalg.generic {{.*}}cnn.kernel = "avgpool"
// CHECK: linalg.generic {{.*}}cnn.kernel = "avgpool_grad"
func.func @avgpool(%x: tensor<2x4x5x5xf32>) -> tensor<2x4x5x5xf32> {
  %y = cnn.avgpool %x kernel [2, 2] strides [2, 2] pads [0, 0, 1, 1] uncounted [1, 1] count_pad true : (tensor<2x4x5x5xf32>) -> tensor<2x4x3x3xf32>
  %dx = cnn.avgpool_grad %y kernel [2, 2] strides [2, 2] pads [0, 0, 1, 1] uncounted [1, 1] count_pad true : (tensor<2x4x3x3xf32>) -> tensor<2x4x5x5xf32>
  return %dx : tensor<2x4x5x5xf32>
}
