// cnn-inference with fold: a normalisation becomes the addition of its bias, and the record says what filter and bias must then be;
// one whose convolution is read elsewhere too stays.
// RUN: cnn-opt %s -cnn-inference=fold=true | FileCheck %s

// CHECK: module attributes {cnn.folded = [{bias = "conv.bias", eps = 1.000000e-03 : f64, filter = "conv.weight", mean = "norm.mean", scale = "norm.weight", shift = "norm.bias", variance = "norm.var"}]}
// CHECK-LABEL: func.func @predict(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x3xf32> {cnn.role = "input"}, %[[W:[a-z0-9]+]]: tensor<4x3xf32>{{.*}} %[[S:[a-z0-9]+]]: tensor<4xf32> {cnn.name = "norm.bias"
// CHECK-NEXT: %[[P:.*]] = cnn.dense %[[X]], %[[W]]
// CHECK-NEXT: %[[Y:.*]] = cnn.map(%[[P]], %[[S]])
// CHECK-NOT: cnn.normalize
func.func @predict(%x: tensor<2x3xf32> {cnn.role = "input"}, %w: tensor<4x3xf32> {cnn.role = "parameter", cnn.name = "conv.weight"},
                   %b: tensor<4xf32> {cnn.role = "parameter", cnn.name = "conv.bias"}, %g: tensor<4xf32> {cnn.role = "parameter", cnn.name = "norm.weight"},
                   %s: tensor<4xf32> {cnn.role = "parameter", cnn.name = "norm.bias"}, %m: tensor<4xf32> {cnn.role = "statistic", cnn.name = "norm.mean"},
                   %v: tensor<4xf32> {cnn.role = "statistic", cnn.name = "norm.var"}) -> tensor<2x4xf32> {
  %0 = cnn.dense %x, %w : (tensor<2x3xf32>, tensor<4x3xf32>) -> tensor<2x4xf32>
  %1 = cnn.map(%0, %b) : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32> {
  ^bb0(%p: f32, %q: f32):
    %sum = arith.addf %p, %q : f32
    cnn.yield %sum : f32
  }
  %2 = cnn.batchnorm %1, %g, %s, %m, %v momentum 0.1 eps 1.0e-3 : (tensor<2x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  return %2 : tensor<2x4xf32>
}

// CHECK-LABEL: func.func @predict_twice(
// CHECK: cnn.normalize
func.func @predict_twice(%x: tensor<2x3xf32> {cnn.role = "input"}, %w: tensor<4x3xf32> {cnn.role = "parameter", cnn.name = "a.weight"},
                   %g: tensor<4xf32> {cnn.role = "parameter", cnn.name = "n.weight"},
                   %s: tensor<4xf32> {cnn.role = "parameter", cnn.name = "n.bias"}, %m: tensor<4xf32> {cnn.role = "statistic", cnn.name = "n.mean"},
                   %v: tensor<4xf32> {cnn.role = "statistic", cnn.name = "n.var"}) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  %0 = cnn.dense %x, %w : (tensor<2x3xf32>, tensor<4x3xf32>) -> tensor<2x4xf32>
  %2 = cnn.batchnorm %0, %g, %s, %m, %v momentum 0.1 eps 1.0e-3 : (tensor<2x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  return %0, %2 : tensor<2x4xf32>, tensor<2x4xf32>
}
