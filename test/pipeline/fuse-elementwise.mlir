// cnn-fuse-elementwise: a bias and an activation behind each other are one generic; the sum that reads both takes them in.
// RUN: cnn-opt %s -pass-pipeline='builtin.module(cnn-layout,cnn-to-linalg,func.func(cnn-fuse-elementwise),cse)' | FileCheck %s

// CHECK-LABEL: @bias_tanh(
// CHECK: linalg.generic
// CHECK: arith.addf
// CHECK-NEXT: math.tanh
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @bias_tanh(%x: tensor<2x3xf32>, %b: tensor<3xf32>) -> tensor<2x3xf32> {
  %y = cnn.map(%x, %b) : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32> {
  ^bb0(%p: f32, %q: f32):
    %0 = arith.addf %p, %q : f32
    cnn.yield %0 : f32
  }
  %z = cnn.map(%y) : (tensor<2x3xf32>) -> tensor<2x3xf32> {
  ^bb0(%p: f32):
    %0 = math.tanh %p : f32
    cnn.yield %0 : f32
  }
  return %z : tensor<2x3xf32>
}

// What is a result has to be stored; a program that reads all that it is made of computes it again.
// CHECK-LABEL: @mask(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x3xf32>, %[[B:[a-z0-9]+]]: tensor<3xf32>
// CHECK: linalg.generic
// CHECK-SAME: ins(%[[X]], %[[B]] : tensor<2x3xf32>, tensor<3xf32>)
// CHECK: linalg.generic
// CHECK-SAME: ins(%[[X]], %[[B]] : tensor<2x3xf32>, tensor<3xf32>)
// CHECK: arith.cmpf ogt
// CHECK: return
func.func @mask(%x: tensor<2x3xf32>, %b: tensor<3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %y = cnn.map(%x, %b) : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32> {
  ^bb0(%p: f32, %q: f32):
    %0 = arith.addf %p, %q : f32
    cnn.yield %0 : f32
  }
  %z = cnn.map(%x, %y) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32> {
  ^bb0(%p: f32, %q: f32):
    %zero = arith.constant 0.0 : f32
    %positive = arith.cmpf ogt, %q, %zero : f32
    %0 = arith.select %positive, %p, %zero : f32
    cnn.yield %0 : f32
  }
  return %y, %z : tensor<2x3xf32>, tensor<2x3xf32>
}
