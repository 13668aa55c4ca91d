// cnn-inference: running statistics, no dropout, logits; other functions stay as they are.
// RUN: cnn-opt %s -cnn-inference | FileCheck %s

// CHECK-LABEL: func.func @predict_one(
// CHECK-SAME: %[[X:.*]]: tensor<1x3xf32>, %[[W:.*]]: tensor<3xf32>, %[[B:.*]]: tensor<3xf32>, %[[M:.*]]: tensor<3xf32>, %[[V:.*]]: tensor<3xf32>)
// CHECK-NEXT: %[[Y:.*]] = cnn.normalize %[[X]], %[[M]], %[[V]], %[[W]], %[[B]] eps 1.000000e-03
// CHECK-NEXT: return %[[Y]]
func.func @predict_one(%x: tensor<1x3xf32>, %w: tensor<3xf32>, %b: tensor<3xf32>, %m: tensor<3xf32>, %v: tensor<3xf32>) -> tensor<1x3xf32> {
  %0 = cnn.batchnorm %x, %w, %b, %m, %v momentum 0.1 eps 1.0e-3 : (tensor<1x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<1x3xf32>
  %1 = cnn.dropout %0 p 0.5 spatial false stream 0 : (tensor<1x3xf32>) -> tensor<1x3xf32>
  %2 = cnn.softmax %1 : (tensor<1x3xf32>) -> tensor<1x3xf32>
  return %2 : tensor<1x3xf32>
}

// CHECK-LABEL: func.func @forward(
// CHECK-NEXT: cnn.dropout
func.func @forward(%x: tensor<1x3xf32>) -> tensor<1x3xf32> {
  %1 = cnn.dropout %x p 0.5 spatial false stream 0 : (tensor<1x3xf32>) -> tensor<1x3xf32>
  return %1 : tensor<1x3xf32>
}
