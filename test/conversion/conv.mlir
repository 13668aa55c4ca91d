// Convolutions and their gradients become one linalg.generic each: padding is a tensor.pad, stride and dilation stand in the maps, groups are a
// loop of their own, and the filter lies in its blocks. Nothing of cnn is left.
// RUN: cnn-opt %s -split-input-file -cnn-layout -cnn-to-linalg | FileCheck %s --implicit-check-not='= cnn.'

// CHECK: #[[X:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6, d7, d8) -> (d0, d1 * 2 + d6 * 3, d2 + d7 * 2, d3, d8)>
// CHECK-LABEL: @conv(
// CHECK-SAME: %[[X0:.*]]: tensor<2x9x8x4xf32>, %[[W:.*]]: tensor<1x3x2x4x6xf32>
// CHECK: %[[PAD:.*]] = tensor.pad %[[X0]] low[0, 1, 0, 0] high[0, 0, 2, 0]
// CHECK: linalg.generic {indexing_maps = [#[[X]],
// CHECK-SAME: ["parallel", "parallel", "parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]
// CHECK-SAME: cnn.kernel = "conv"
// CHECK: mulf
// CHECK: addf
// CHECK: tensor.collapse_shape {{.*}} into tensor<2x2x8x6xf32>
func.func @conv(%x: tensor<2x4x9x8xf32>, %w: tensor<6x4x3x2xf32>) -> tensor<2x6x2x8xf32> {
  %y = cnn.conv %x, %w strides [2, 1] pads [1, 0, 0, 2] dilations [3, 2] groups 1 : (tensor<2x4x9x8xf32>, tensor<6x4x3x2xf32>) -> tensor<2x6x2x8xf32>
  return %y : tensor<2x6x2x8xf32>
}

// -----

// Two groups: channels and filters are split by a fourth loop.
// CHECK-LABEL: @groups(
// CHECK: tensor.expand_shape %{{.*}} : tensor<1x5x5x4xf32> into tensor<1x5x5x2x2xf32>
// CHECK: linalg.generic
// CHECK-SAME: outs(%{{.*}} : tensor<1x3x3x2x1x3xf32>)
func.func @groups(%x: tensor<1x4x5x5xf32>, %w: tensor<6x2x3x3xf32>) -> tensor<1x6x3x3xf32> {
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 2 : (tensor<1x4x5x5xf32>, tensor<6x2x3x3xf32>) -> tensor<1x6x3x3xf32>
  return %y : tensor<1x6x3x3xf32>
}

// -----

// One filter a channel is the family depthwise, whose innermost loops run over channels.
// CHECK-LABEL: @depthwise(
// CHECK: linalg.generic
// CHECK-SAME: ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]
// CHECK-SAME: cnn.kernel = "depthwise"
func.func @depthwise(%x: tensor<1x4x5x5xf32>, %w: tensor<4x1x3x3xf32>) -> tensor<1x4x3x3xf32> {
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 4 : (tensor<1x4x5x5xf32>, tensor<4x1x3x3xf32>) -> tensor<1x4x3x3xf32>
  return %y : tensor<1x4x3x3xf32>
}

// -----

// The gradient of the input is that of the padded input, cut to its interior; that of the filter sums over samples and positions.
// CHECK-LABEL: @grads(
// CHECK: %[[DX:.*]] = linalg.generic {{.*}}["parallel", "reduction", "reduction", "parallel", "reduction", "reduction", "reduction", "reduction", "parallel"]{{.*}}cnn.kernel = "conv_input_grad"
// CHECK: %[[ALL:.*]] = tensor.collapse_shape %[[DX]]
// CHECK: tensor.extract_slice %[[ALL]][0, 1, 1, 0] [2, 5, 5, 3]
// CHECK: linalg.generic {{.*}}["reduction", "reduction", "reduction", "parallel", "parallel", "parallel", "parallel", "parallel", "parallel"]{{.*}}cnn.kernel = "conv_filter_grad"
func.func @grads(%x: tensor<2x3x5x5xf32>, %w: tensor<4x3x3x3xf32>, %dy: tensor<2x4x5x5xf32>) -> (tensor<2x3x5x5xf32>, tensor<4x3x3x3xf32>) {
  %dx = cnn.conv_input_grad %w, %dy strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1 : (tensor<4x3x3x3xf32>, tensor<2x4x5x5xf32>) -> tensor<2x3x5x5xf32>
  %dw = cnn.conv_filter_grad %x, %dy strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1 : (tensor<2x3x5x5xf32>, tensor<2x4x5x5xf32>) -> tensor<4x3x3x3xf32>
  return %dx, %dw : tensor<2x3x5x5xf32>, tensor<4x3x3x3xf32>
}
