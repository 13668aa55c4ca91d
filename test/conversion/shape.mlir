// Flatten goes to PyTorch's order, channels slowest: a transposition in memory, and none where a side or the depth is 1. Concat and slices are along
// the last dimension in memory.
// RUN: cnn-opt %s -cnn-layout -cnn-to-linalg | FileCheck %s --implicit-check-not='= cnn.'

// CHECK-LABEL: @flatten(
// CHECK: linalg.transpose ins(%{{.*}} : tensor<2x4x5x3xf32>) outs(%{{.*}} : tensor<2x3x4x5xf32>) permutation = [0, 3, 1, 2]
// CHECK: tensor.collapse_shape %{{.*}} : tensor<2x3x4x5xf32> into tensor<2x60xf32>
func.func @flatten(%x: tensor<2x3x4x5xf32>) -> tensor<2x60xf32> {
  %y = cnn.flatten %x : (tensor<2x3x4x5xf32>) -> tensor<2x60xf32>
  return %y : tensor<2x60xf32>
}

// CHECK-LABEL: @pooled(
// CHECK-NOT: transpose
// CHECK: tensor.collapse_shape %{{.*}} : tensor<2x1x1x3xf32> into tensor<2x3xf32>
func.func @pooled(%x: tensor<2x3x1x1xf32>) -> tensor<2x3xf32> {
  %y = cnn.flatten %x : (tensor<2x3x1x1xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// CHECK-LABEL: @concat(
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 0, 0, 0] [2, 4, 4, 3]
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 0, 0, 3] [2, 4, 4, 2]
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 0, 1] [2, 4, 4, 3]
func.func @concat(%x: tensor<2x3x4x4xf32>, %y: tensor<2x2x4x4xf32>) -> tensor<2x3x4x4xf32> {
  %z = cnn.concat %x, %y : (tensor<2x3x4x4xf32>, tensor<2x2x4x4xf32>) -> tensor<2x5x4x4xf32>
  %s = cnn.slice_channels %z offset 1 : (tensor<2x5x4x4xf32>) -> tensor<2x3x4x4xf32>
  return %s : tensor<2x3x4x4xf32>
}
