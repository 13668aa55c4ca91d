// The losses beside cross-entropy are made of maps and sums, and have their gradients from them: the logits' gradient of mse is 2/(N K) (x - t).
// RUN: cnn-opt %s -cnn-autodiff -split-input-file | FileCheck %s

// CHECK-LABEL: func.func @train_step(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x3xf64> {cnn.role = "input"}, %[[LABELS:[a-z0-9]+]]: tensor<2xi32>
// CHECK: %[[Y:.*]] = cnn.map(%[[X]]
// CHECK: %[[T:.*]] = cnn.one_hot %[[LABELS]]
// CHECK: %[[E:.*]] = cnn.map(%[[Y]], %[[T]])
// CHECK: arith.constant 0.16666666666666666
// CHECK: %[[LOSS:.*]] = cnn.sum_to %[[E]] : (tensor<2x3xf64>) -> tensor<f64>
// CHECK-NOT: cross_entropy
// CHECK: return %[[LOSS]], %[[Y]]
module attributes {cnn.loss = "mse"} {
  func.func @forward(%x: tensor<2x3xf64> {cnn.role = "input"}, %b: tensor<3xf64> {cnn.role = "parameter", cnn.name = "b"}) -> (tensor<2x3xf64> {cnn.role = "logits"}) {
    %y = cnn.map(%x, %b) : (tensor<2x3xf64>, tensor<3xf64>) -> tensor<2x3xf64> {
    ^bb0(%p: f64, %q: f64):
      %0 = arith.addf %p, %q : f64
      cnn.yield %0 : f64
    }
    return %y : tensor<2x3xf64>
  }
}
