// What canonicalisation of the dialect makes simpler, always.
// RUN: cnn-opt %s -canonicalize | FileCheck %s

// CHECK-LABEL: @there_and_back
// CHECK-NEXT: return %arg0
func.func @there_and_back(%x: tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32> {
  %f = cnn.flatten %x : (tensor<2x3x4x4xf32>) -> tensor<2x48xf32>
  %u = cnn.unflatten %f : (tensor<2x48xf32>) -> tensor<2x3x4x4xf32>
  %r = cnn.reshape %u : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  return %r : tensor<2x3x4x4xf32>
}

// CHECK-LABEL: @slice_of_concat
// CHECK-NEXT: return %arg1
func.func @slice_of_concat(%x: tensor<2x3x4x4xf32>, %y: tensor<2x5x4x4xf32>) -> tensor<2x5x4x4xf32> {
  %c = cnn.concat %x, %y : (tensor<2x3x4x4xf32>, tensor<2x5x4x4xf32>) -> tensor<2x8x4x4xf32>
  %s = cnn.slice_channels %c offset 3 : (tensor<2x8x4x4xf32>) -> tensor<2x5x4x4xf32>
  return %s : tensor<2x5x4x4xf32>
}

// CHECK-LABEL: @nothing_to_do
// CHECK-NEXT: return %arg0
func.func @nothing_to_do(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %s = cnn.sum_to %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %c = cnn.concat %s : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %d = cnn.dropout %c p 0.0 spatial false stream 0 : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %d : tensor<2x3xf32>
}

// Operands that are unread or given twice go, and results that are unread or an operand.
// CHECK-LABEL: @map
// CHECK-NEXT: %[[Y:.*]] = cnn.map(%arg0) : (tensor<3xf32>) -> tensor<3xf32>
// CHECK-NEXT: ^bb0(%[[A:.*]]: f32):
// CHECK-NEXT: arith.mulf %[[A]], %[[A]]
// CHECK: return %[[Y]], %arg1
func.func @map(%x: tensor<3xf32>, %y: tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>) {
  %r:3 = cnn.map(%x, %x, %y) : (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %a, %c : f32
    cnn.yield %0, %1, %c : f32, f32, f32
  }
  return %r#0, %r#2 : tensor<3xf32>, tensor<3xf32>
}

// A broadcast is no identity.
// CHECK-LABEL: @broadcast
// CHECK-NEXT: cnn.map(%arg0) : (tensor<f32>) -> tensor<3xf32>
func.func @broadcast(%x: tensor<f32>) -> tensor<3xf32> {
  %r = cnn.map(%x) : (tensor<f32>) -> tensor<3xf32> {
  ^bb0(%a: f32):
    cnn.yield %a : f32
  }
  return %r : tensor<3xf32>
}
