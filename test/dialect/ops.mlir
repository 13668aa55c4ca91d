// Every operation of the dialect parses, prints and parses again.
// RUN: cnn-opt %s | cnn-opt | FileCheck %s

// CHECK-LABEL: @conv
func.func @conv(%x: tensor<2x4x9x8xf32>, %w: tensor<6x2x3x3xf32>) -> (tensor<2x4x9x8xf32>, tensor<6x2x3x3xf32>) {
  // CHECK: cnn.conv %{{.*}}, %{{.*}} strides [2, 1] pads [1, 0, 1, 2] dilations [1, 2] groups 2
  %y = cnn.conv %x, %w strides [2, 1] pads [1, 0, 1, 2] dilations [1, 2] groups 2 : (tensor<2x4x9x8xf32>, tensor<6x2x3x3xf32>) -> tensor<2x6x5x6xf32>
  // CHECK: cnn.conv_input_grad
  %dx = cnn.conv_input_grad %w, %y strides [2, 1] pads [1, 0, 1, 2] dilations [1, 2] groups 2 : (tensor<6x2x3x3xf32>, tensor<2x6x5x6xf32>) -> tensor<2x4x9x8xf32>
  // CHECK: cnn.conv_filter_grad
  %dw = cnn.conv_filter_grad %x, %y strides [2, 1] pads [1, 0, 1, 2] dilations [1, 2] groups 2 : (tensor<2x4x9x8xf32>, tensor<2x6x5x6xf32>) -> tensor<6x2x3x3xf32>
  return %dx, %dw : tensor<2x4x9x8xf32>, tensor<6x2x3x3xf32>
}

// CHECK-LABEL: @encodings
// CHECK-SAME: tensor<2x4x5x5xf32, #cnn.nhwc>, %{{.*}}: tensor<8x4x1x1xf32, #cnn.filter<8>>
func.func @encodings(%x: tensor<2x4x5x5xf32, #cnn.nhwc>, %w: tensor<8x4x1x1xf32, #cnn.filter<8>>) -> tensor<2x8x5x5xf32> {
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x4x5x5xf32, #cnn.nhwc>, tensor<8x4x1x1xf32, #cnn.filter<8>>) -> tensor<2x8x5x5xf32>
  return %y : tensor<2x8x5x5xf32>
}

// CHECK-LABEL: @dense
func.func @dense(%x: tensor<2x3xf64>, %w: tensor<5x3xf64>) -> (tensor<2x3xf64>, tensor<5x3xf64>) {
  // CHECK: cnn.dense %
  %y = cnn.dense %x, %w : (tensor<2x3xf64>, tensor<5x3xf64>) -> tensor<2x5xf64>
  // CHECK: cnn.dense_input_grad
  %dx = cnn.dense_input_grad %w, %y : (tensor<5x3xf64>, tensor<2x5xf64>) -> tensor<2x3xf64>
  // CHECK: cnn.dense_filter_grad
  %dw = cnn.dense_filter_grad %x, %y : (tensor<2x3xf64>, tensor<2x5xf64>) -> tensor<5x3xf64>
  return %dx, %dw : tensor<2x3xf64>, tensor<5x3xf64>
}

// CHECK-LABEL: @pool
func.func @pool(%x: tensor<2x3x7x7xf32>) -> (tensor<2x3x7x7xf32>, tensor<2x3x7x7xf32>) {
  // CHECK: cnn.maxpool %{{.*}} kernel [3, 3] strides [2, 2] pads [1, 1, 1, 1]
  %y, %i = cnn.maxpool %x kernel [3, 3] strides [2, 2] pads [1, 1, 1, 1] : (tensor<2x3x7x7xf32>) -> (tensor<2x3x4x4xf32>, tensor<2x3x4x4xi8>)
  // CHECK: cnn.maxpool_grad
  %dx = cnn.maxpool_grad %y, %i kernel [3, 3] strides [2, 2] pads [1, 1, 1, 1] : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xi8>) -> tensor<2x3x7x7xf32>
  // CHECK: cnn.avgpool %{{.*}} kernel [2, 2] strides [2, 2] pads [0, 0, 1, 1] uncounted [1, 1] count_pad true
  %a = cnn.avgpool %x kernel [2, 2] strides [2, 2] pads [0, 0, 1, 1] uncounted [1, 1] count_pad true : (tensor<2x3x7x7xf32>) -> tensor<2x3x4x4xf32>
  // CHECK: cnn.avgpool_grad
  %da = cnn.avgpool_grad %a kernel [2, 2] strides [2, 2] pads [0, 0, 1, 1] uncounted [1, 1] count_pad true : (tensor<2x3x4x4xf32>) -> tensor<2x3x7x7xf32>
  return %dx, %da : tensor<2x3x7x7xf32>, tensor<2x3x7x7xf32>
}

// CHECK-LABEL: @norm
func.func @norm(%x: tensor<2x3x4x4xf32>, %c: tensor<3xf32>) -> tensor<2x3x4x4xf32> {
  // CHECK: cnn.batchnorm %{{.*}} momentum 1.000000e-01 eps
  %y = cnn.batchnorm %x, %c, %c, %c, %c momentum 0.1 eps 1.0e-5 : (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4x4xf32>
  // CHECK: cnn.batch_stats
  %m, %v = cnn.batch_stats %y : (tensor<2x3x4x4xf32>) -> (tensor<3xf32>, tensor<3xf32>)
  // CHECK: cnn.normalize
  %z = cnn.normalize %y, %m, %v, %c, %c eps 1.0e-5 : (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4x4xf32>
  // CHECK: cnn.batchnorm_grad
  %dx, %dw, %db = cnn.batchnorm_grad %z, %y, %m, %v, %c eps 1.0e-5 : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>)
  return %dx : tensor<2x3x4x4xf32>
}

// CHECK-LABEL: @elementwise
func.func @elementwise(%x: tensor<2x3x4x4xf32>, %c: tensor<3xf32>, %g: tensor<2x3x1x1xf32>, %s: tensor<f32>, %w: tensor<1xf32>, %rng: tensor<4xi32>)
    -> (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<2x3x4x4xf32>) {
  // CHECK: cnn.map(%{{.*}}) : (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<2x3x1x1xf32>, tensor<f32>, tensor<1xf32>) -> tensor<2x3x4x4xf32>
  %y = cnn.map(%x, %c, %g, %s, %w) : (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<2x3x1x1xf32>, tensor<f32>, tensor<1xf32>) -> tensor<2x3x4x4xf32> {
  ^bb0(%a: f32, %b: f32, %d: f32, %e: f32, %f: f32):
    %0 = arith.addf %a, %b : f32
    %1 = arith.mulf %0, %d : f32
    %2 = arith.addf %1, %e : f32
    %3 = arith.mulf %2, %f : f32
    cnn.yield %3 : f32
  }
  // CHECK: cnn.sum_to
  %t = cnn.sum_to %y : (tensor<2x3x4x4xf32>) -> tensor<3xf32>
  // CHECK: cnn.dropout %{{.*}} p 5.000000e-01 spatial true stream 1
  %z = cnn.dropout %y p 0.5 spatial true stream 1 : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  // CHECK: cnn.dropout_train
  %u = cnn.dropout_train %z, %rng p 0.5 spatial true stream 1 : (tensor<2x3x4x4xf32>, tensor<4xi32>) -> tensor<2x3x4x4xf32>
  // CHECK: cnn.dropout_train %{{.*}} stream 2 {per_sample}
  %v = cnn.dropout_train %u, %rng p 0.5 spatial false stream 2 {per_sample} : (tensor<2x3x4x4xf32>, tensor<4xi32>) -> tensor<2x3x4x4xf32>
  return %z, %t, %v : tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<2x3x4x4xf32>
}

// CHECK-LABEL: @positions
func.func @positions(%x: tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32> {
  // CHECK: cnn.positions
  %r = cnn.positions %x : (tensor<2x3x4x4xf32>) -> tensor<32x3xf32>
  // CHECK: cnn.sum_to %{{.*}} -> tensor<32x1xf32>
  %s = cnn.sum_to %r : (tensor<32x3xf32>) -> tensor<32x1xf32>
  // CHECK: cnn.map
  %y = cnn.map(%r, %s) : (tensor<32x3xf32>, tensor<32x1xf32>) -> tensor<32x3xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.subf %a, %b : f32
    cnn.yield %0 : f32
  }
  // CHECK: cnn.from_positions
  %z = cnn.from_positions %y : (tensor<32x3xf32>) -> tensor<2x3x4x4xf32>
  return %z : tensor<2x3x4x4xf32>
}

// CHECK-LABEL: @shape
func.func @shape(%x: tensor<2x3x4x4xf32>) -> (tensor<2x1x6x8xf32>, tensor<2x3x4x4xf32>) {
  // CHECK: cnn.flatten
  %f = cnn.flatten %x : (tensor<2x3x4x4xf32>) -> tensor<2x48xf32>
  // CHECK: cnn.unflatten
  %u = cnn.unflatten %f : (tensor<2x48xf32>) -> tensor<2x3x4x4xf32>
  // CHECK: cnn.reshape
  %r = cnn.reshape %f : (tensor<2x48xf32>) -> tensor<2x1x6x8xf32>
  // CHECK: cnn.concat
  %c = cnn.concat %x, %u : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>) -> tensor<2x6x4x4xf32>
  // CHECK: cnn.slice_channels %{{.*}} offset 3
  %s = cnn.slice_channels %c offset 3 : (tensor<2x6x4x4xf32>) -> tensor<2x3x4x4xf32>
  return %r, %s : tensor<2x1x6x8xf32>, tensor<2x3x4x4xf32>
}

// CHECK-LABEL: @loss
func.func @loss(%x: tensor<2x3xf32>, %l: tensor<2xi32>) -> (tensor<2x3xf32>, tensor<f32>, tensor<2x3xf32>) {
  // CHECK: cnn.softmax
  %s = cnn.softmax %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  // CHECK: cnn.cross_entropy %{{.*}} smoothing 1.000000e-01
  %e = cnn.cross_entropy %x, %l smoothing 0.1 : (tensor<2x3xf32>, tensor<2xi32>) -> tensor<f32>
  // CHECK: cnn.cross_entropy_grad
  %d = cnn.cross_entropy_grad %x, %l smoothing 0.1 : (tensor<2x3xf32>, tensor<2xi32>) -> tensor<2x3xf32>
  return %s, %e, %d : tensor<2x3xf32>, tensor<f32>, tensor<2x3xf32>
}

// CHECK-LABEL: @parts
func.func @parts(%x: tensor<2x3xf32>, %l: tensor<2xi32>) -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<3xf32>) {
  // CHECK: cnn.log_softmax
  %y = cnn.log_softmax %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  // CHECK: cnn.one_hot
  %t = cnn.one_hot %l : (tensor<2xi32>) -> tensor<2x3xf32>
  // CHECK: cnn.class_weights [5.000000e-01, 1.000000e+00, 2.000000e+00]
  %w = cnn.class_weights [0.5, 1.0, 2.0] : () -> tensor<3xf32>
  return %y, %t, %w : tensor<2x3xf32>, tensor<2x3xf32>, tensor<3xf32>
}
