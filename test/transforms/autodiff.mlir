// cnn-autodiff makes the training step: signature, losses, gradients in the order of the parameters, running statistics; nothing that nobody reads.
// RUN: cnn-opt %s -cnn-autodiff -split-input-file | FileCheck %s

// CHECK-LABEL: func.func @train_step(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<4x1x8x8xf32> {cnn.role = "input"}
// CHECK-SAME: %[[LABELS:[a-z0-9]+]]: tensor<4xi32> {cnn.role = "labels"}
// CHECK-SAME: %[[RNG:[a-z0-9]+]]: tensor<4xi32> {cnn.role = "rng"}
// CHECK-SAME: tensor<f32> {cnn.role = "lr"}
// CHECK-SAME: tensor<f32> {cnn.role = "step"}
// CHECK-SAME: %[[W:[a-z0-9]+]]: tensor<2x1x3x3xf32>
// CHECK-SAME: %[[G:[a-z0-9]+]]: tensor<2xf32>
// CHECK-SAME: -> (tensor<f32> {cnn.role = "loss"}, tensor<4x3xf32> {cnn.role = "logits"}, tensor<2x1x3x3xf32> {cnn.name = "conv1.weight", cnn.role = "gradient"}
// CHECK-SAME: tensor<2xf32> {cnn.name = "batchnorm1.running_mean", cnn.role = "update"}, tensor<2xf32> {cnn.name = "batchnorm1.running_var", cnn.role = "update"})
// CHECK: %[[C:.*]] = cnn.conv %[[X]], %[[W]]
// CHECK: %[[MEAN:.*]], %[[VAR:.*]] = cnn.batch_stats %[[C]]
// CHECK: %[[N:.*]] = cnn.normalize %[[C]], %[[MEAN]], %[[VAR]]
// CHECK: %[[RUNNING_MEAN:.*]] = cnn.map(%{{.*}}, %[[MEAN]])
// CHECK: %[[RUNNING_VAR:.*]] = cnn.map(%{{.*}}, %[[VAR]])
// The unbiased variance: 0.1 * 256/255.
// CHECK: arith.constant 0.100392155
// CHECK: %[[P:.*]], %[[I:.*]] = cnn.maxpool
// CHECK: %[[D:.*]] = cnn.dropout_train %{{.*}}, %[[RNG]] p 2.500000e-01 spatial false stream 7
// CHECK: %[[L:.*]] = cnn.dense %[[D]], %[[V:.*]] :
// CHECK-NOT: cnn.softmax
// CHECK: %[[LOSS:.*]] = cnn.cross_entropy %[[L]], %[[LABELS]] smoothing 1.000000e-01
// CHECK: %[[DL:.*]] = cnn.cross_entropy_grad %[[L]], %[[LABELS]] smoothing 1.000000e-01
// CHECK: cnn.dense_input_grad %[[V]], %[[DL]]
// CHECK: %[[DV:.*]] = cnn.dense_filter_grad %[[D]], %[[DL]]
// CHECK: cnn.dropout_train %{{.*}}, %[[RNG]] p 2.500000e-01 spatial false stream 7
// CHECK: cnn.maxpool_grad %{{.*}}, %[[I]]
// relu's adjoint in its simplest form.
// CHECK: %[[DR:.*]] = cnn.map(%{{.*}}, %[[N]])
// CHECK-NEXT: ^bb0(%[[DY:.*]]: f32, %[[A:.*]]: f32):
// CHECK-NEXT: %[[ZERO:.*]] = arith.constant 0.0
// CHECK-NEXT: %[[POSITIVE:.*]] = arith.cmpf ogt, %[[A]], %[[ZERO]]
// CHECK-NEXT: %[[R:.*]] = arith.select %[[POSITIVE]], %[[DY]], %[[ZERO]]
// CHECK-NEXT: cnn.yield %[[R]]
// CHECK: %[[DC:.*]], %[[DG:.*]], %[[DB:.*]] = cnn.batchnorm_grad %[[DR]], %[[C]], %[[MEAN]], %[[VAR]], %[[G]]
// The gradient of the input is not computed.
// CHECK-NOT: cnn.conv_input_grad
// CHECK: %[[DW:.*]] = cnn.conv_filter_grad %[[X]], %[[DC]]
// CHECK: return %[[LOSS]], %[[L]], %[[DW]], %[[DG]], %[[DB]], %[[DV]], %[[RUNNING_MEAN]], %[[RUNNING_VAR]]
module attributes {cnn.smoothing = 0.1 : f64} {
  func.func @forward(%x: tensor<4x1x8x8xf32> {cnn.role = "input"},
      %w: tensor<2x1x3x3xf32> {cnn.role = "parameter", cnn.name = "conv1.weight"},
      %g: tensor<2xf32> {cnn.role = "parameter", cnn.name = "batchnorm1.weight"},
      %b: tensor<2xf32> {cnn.role = "parameter", cnn.name = "batchnorm1.bias"},
      %rm: tensor<2xf32> {cnn.role = "statistic", cnn.name = "batchnorm1.running_mean"},
      %rv: tensor<2xf32> {cnn.role = "statistic", cnn.name = "batchnorm1.running_var"},
      %v: tensor<3x32xf32> {cnn.role = "parameter", cnn.name = "dense1.weight"}) -> (tensor<4x3xf32> {cnn.role = "logits"}) {
    %0 = cnn.conv %x, %w strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1 : (tensor<4x1x8x8xf32>, tensor<2x1x3x3xf32>) -> tensor<4x2x8x8xf32>
    %1 = cnn.batchnorm %0, %g, %b, %rm, %rv momentum 0.1 eps 1.0e-5 : (tensor<4x2x8x8xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<4x2x8x8xf32>
    %2 = cnn.map(%1) : (tensor<4x2x8x8xf32>) -> tensor<4x2x8x8xf32> {
    ^bb0(%a: f32):
      %zero = arith.constant 0.0 : f32
      %positive = arith.cmpf ogt, %a, %zero : f32
      %r = arith.select %positive, %a, %zero : f32
      cnn.yield %r : f32
    }
    %3, %i = cnn.maxpool %2 kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] : (tensor<4x2x8x8xf32>) -> (tensor<4x2x4x4xf32>, tensor<4x2x4x4xi8>)
    %4 = cnn.flatten %3 : (tensor<4x2x4x4xf32>) -> tensor<4x32xf32>
    %5 = cnn.dropout %4 p 0.25 spatial false stream 7 : (tensor<4x32xf32>) -> tensor<4x32xf32>
    %6 = cnn.dense %5, %v : (tensor<4x32xf32>, tensor<3x32xf32>) -> tensor<4x3xf32>
    %7 = cnn.softmax %6 : (tensor<4x3xf32>) -> tensor<4x3xf32>
    return %7 : tensor<4x3xf32>
  }
}

// -----

// Two users: their gradients are added. A broadcast operand: its gradient is summed.
// CHECK-LABEL: func.func @train_step(
// CHECK: %[[UNUSED:.*]] = arith.constant dense<0.0
// CHECK: %[[DL:.*]] = cnn.cross_entropy_grad
// CHECK: %[[DB:.*]] = cnn.sum_to %[[DL]] : (tensor<4x3xf64>) -> tensor<3xf64>
// CHECK: %[[DI:.*]] = cnn.dense_input_grad %{{.*}}, %[[DL]]
// CHECK: %[[DV:.*]] = cnn.dense_filter_grad %{{.*}}, %[[DL]]
// CHECK: %[[SUM:.*]] = cnn.map(%[[DL]], %[[DI]])
// CHECK: arith.addf %{{.*}}, %{{.*}} fastmath<contract> : f64
// CHECK: %[[DW:.*]] = cnn.dense_filter_grad %{{.*}}, %[[SUM]]
// CHECK: return %{{.*}}, %{{.*}}, %[[DW]], %[[DV]], %[[DB]], %[[UNUSED]]
func.func @forward(%x: tensor<4x3xf64> {cnn.role = "input"}, %w: tensor<3x3xf64> {cnn.role = "parameter", cnn.name = "w"},
    %v: tensor<3x3xf64> {cnn.role = "parameter", cnn.name = "v"}, %b: tensor<3xf64> {cnn.role = "parameter", cnn.name = "b"},
    %u: tensor<5xf64> {cnn.role = "parameter", cnn.name = "u"}) -> tensor<4x3xf64> {
  %0 = cnn.dense %x, %w : (tensor<4x3xf64>, tensor<3x3xf64>) -> tensor<4x3xf64>
  %1 = cnn.dense %0, %v : (tensor<4x3xf64>, tensor<3x3xf64>) -> tensor<4x3xf64>
  %2 = cnn.map(%0, %1, %b) : (tensor<4x3xf64>, tensor<4x3xf64>, tensor<3xf64>) -> tensor<4x3xf64> {
  ^bb0(%p: f64, %q: f64, %r: f64):
    %3 = arith.addf %p, %q : f64
    %4 = arith.addf %3, %r : f64
    cnn.yield %4 : f64
  } loc("forward"("bias"("a.cnn":2:3)))
  return %2 : tensor<4x3xf64>
}
