// Normalisation that do not fit their operands are refused, with the numbers.
// RUN: cnn-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2x3x4xf32>, %c: tensor<3xf32>, %v: tensor<3xf32>) {
  // expected-error@+1 {{input must have rank 2 or 4, has rank 3}}
  %y = cnn.batchnorm %x, %c, %c, %c, %v momentum 0.1 eps 1.0e-5 : (tensor<2x3x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>, %c: tensor<4xf32>, %v: tensor<3xf32>) {
  // expected-error@+1 {{weight has shape 4, expected 3}}
  %y = cnn.batchnorm %x, %c, %c, %c, %v momentum 0.1 eps 1.0e-5 : (tensor<2x3x4x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<3xf32>) -> tensor<2x3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>, %c: tensor<3xf32>, %v: tensor<3x1xf32>) {
  // expected-error@+1 {{running variance has shape 3x1, expected 3}}
  %y = cnn.batchnorm %x, %c, %c, %c, %v momentum 0.1 eps 1.0e-5 : (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3x1xf32>) -> tensor<2x3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>, %c: tensor<3xf32>, %v: tensor<3xf32>) {
  // expected-error@+1 {{output has shape 2x3x4x5, expected 2x3x4x4}}
  %y = cnn.batchnorm %x, %c, %c, %c, %v momentum 0.1 eps 1.0e-5 : (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4x5xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>, %c: tensor<3xf32>, %v: tensor<3xf32>) {
  // expected-error@+1 {{momentum 1.500000e+00 must be between 0 and 1}}
  %y = cnn.batchnorm %x, %c, %c, %c, %v momentum 1.5 eps 1.0e-5 : (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>, %c: tensor<3xf32>, %v: tensor<3xf32>) {
  // expected-error@+1 {{eps -1.000000e+00 must not be negative}}
  %y = cnn.batchnorm %x, %c, %c, %c, %v momentum 0.1 eps -1.0 : (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  // expected-error@+1 {{mean has shape 2, expected 3}}
  %m, %v = cnn.batch_stats %x : (tensor<2x3xf32>) -> (tensor<2xf32>, tensor<3xf32>)
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %c: tensor<3xf32>, %b: tensor<2xf32>) {
  // expected-error@+1 {{bias has shape 2, expected 3}}
  %y = cnn.normalize %x, %c, %c, %c, %b eps 1.0e-5 : (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%d: tensor<3x3xf32>, %x: tensor<2x3xf32>, %c: tensor<3xf32>) {
  // expected-error@+1 {{output gradient has shape 3x3, expected 2x3}}
  %y:3 = cnn.batchnorm_grad %d, %x, %c, %c, %c eps 1.0e-5 : (tensor<3x3xf32>, tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>)
  return
}
