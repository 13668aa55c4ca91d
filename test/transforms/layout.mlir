// cnn-layout: maps have channels last, filters lie in blocks of their outputs, depthwise filters in one, a state like its parameter; the rest has no
// encoding.
// RUN: cnn-opt %s -cnn-layout | FileCheck %s

// CHECK-LABEL: @step(
// CHECK-SAME: tensor<2x4x5x5xf32, #cnn.nhwc>
// CHECK-SAME: tensor<32x4x3x3xf32, #cnn.filter<[[B:[0-9]+]]>> {cnn.block = [[B]] : i64, cnn.name = "w", cnn.role = "parameter"}
// CHECK-SAME: tensor<32x1x3x3xf32, #cnn.filter<32>>
// CHECK-SAME: tensor<32x4x3x3xf32, #cnn.filter<[[B]]>> {cnn.block = [[B]] : i64, cnn.name = "w.v", cnn.of = "w", cnn.role = "state"}
// CHECK-SAME: %{{.*}}: tensor<32xf32>
// CHECK: cnn.conv {{.*}} -> tensor<2x32x3x3xf32, #cnn.nhwc>
// CHECK: cnn.map
// CHECK-SAME: -> tensor<32x4x3x3xf32, #cnn.filter<[[B]]>>
func.func @step(%x: tensor<2x4x5x5xf32>, %w: tensor<32x4x3x3xf32> {cnn.role = "parameter", cnn.name = "w"}, %d: tensor<32x1x3x3xf32>,
    %v: tensor<32x4x3x3xf32> {cnn.role = "state", cnn.name = "w.v", cnn.of = "w"}, %b: tensor<32xf32>) -> (tensor<2x32x1x1xf32>, tensor<32x4x3x3xf32>) {
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x4x5x5xf32>, tensor<32x4x3x3xf32>) -> tensor<2x32x3x3xf32>
  %z = cnn.conv %y, %d strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 32 : (tensor<2x32x3x3xf32>, tensor<32x1x3x3xf32>) -> tensor<2x32x1x1xf32>
  %n = cnn.map(%w, %v) : (tensor<32x4x3x3xf32>, tensor<32x4x3x3xf32>) -> tensor<32x4x3x3xf32> {
  ^bb0(%p: f32, %q: f32):
    %0 = arith.addf %p, %q : f32
    cnn.yield %0 : f32
  }
  return %z, %n : tensor<2x32x1x1xf32>, tensor<32x4x3x3xf32>
}
