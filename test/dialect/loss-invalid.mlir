// Softmax and loss that do not fit their operands are refused, with the numbers.
// RUN: cnn-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{input must have rank 2, has rank 4}}
  %y = cnn.softmax %x : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{output has shape 3x3, expected 2x3}}
  %y = cnn.softmax %x : (tensor<2x3xf32>) -> tensor<3x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x1x1xf32>, %l: tensor<2xi32>) {
  // expected-error@+1 {{logits must have rank 2, has rank 4}}
  %y = cnn.cross_entropy %x, %l smoothing 0.1 : (tensor<2x3x1x1xf32>, tensor<2xi32>) -> tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %l: tensor<2xi64>) {
  // expected-error@+1 {{labels must have elements of type i32, have 'i64'}}
  %y = cnn.cross_entropy %x, %l smoothing 0.1 : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %l: tensor<3xi32>) {
  // expected-error@+1 {{labels has shape 3, expected 2}}
  %y = cnn.cross_entropy %x, %l smoothing 0.1 : (tensor<2x3xf32>, tensor<3xi32>) -> tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %l: tensor<2xi32>) {
  // expected-error@+1 {{smoothing 2.000000e+00 must be between 0 and 1}}
  %y = cnn.cross_entropy %x, %l smoothing 2.0 : (tensor<2x3xf32>, tensor<2xi32>) -> tensor<f32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %l: tensor<2xi32>) {
  // expected-error@+1 {{loss has shape 1, expected ()}}
  %y = cnn.cross_entropy %x, %l smoothing 0.1 : (tensor<2x3xf32>, tensor<2xi32>) -> tensor<1xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %l: tensor<2xi32>) {
  // expected-error@+1 {{logits gradient has shape 3x2, expected 2x3}}
  %y = cnn.cross_entropy_grad %x, %l smoothing 0.1 : (tensor<2x3xf32>, tensor<2xi32>) -> tensor<3x2xf32>
  return
}

// -----

func.func @f(%l: tensor<2xi64>) {
  // expected-error@+1 {{labels must have elements of type i32, have 'i64'}}
  %y = cnn.one_hot %l : (tensor<2xi64>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%l: tensor<2xi32>) {
  // expected-error@+1 {{labels has shape 2, expected 4}}
  %y = cnn.one_hot %l : (tensor<2xi32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{output has shape 2x4, expected 2x3}}
  %y = cnn.log_softmax %x : (tensor<2x3xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @f() {
  // expected-error@+1 {{output has shape 3, expected 2}}
  %y = cnn.class_weights [0.5, 1.0] : () -> tensor<3xf32>
  return
}
