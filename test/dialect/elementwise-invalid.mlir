// Elementwise operations that do not fit their operands are refused, with the numbers.
// RUN: cnn-opt %s -split-input-file -verify-diagnostics

func.func @f(%x0: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{result has shape 3, expected 2x3x4x4}}
  %r:2 = cnn.map(%x0) : (tensor<2x3x4x4xf32>) -> (tensor<2x3x4x4xf32>, tensor<3xf32>) {
  ^bb0(%a: f32):
    cnn.yield %a, %a : f32, f32
  }
  return
}

// -----

func.func @f(%x0: tensor<4xf32>) {
  // expected-error@+1 {{operand 0 has shape 4, which does not broadcast to 2x3x4x4}}
  %r = cnn.map(%x0) : (tensor<4xf32>) -> tensor<2x3x4x4xf32> {
  ^bb0(%a: f32):
    cnn.yield %a : f32
  }
  return
}

// -----

func.func @f(%x0: tensor<2x1x1x1xf32>) {
  // expected-error@+1 {{operand 0 has shape 2x1x1x1, which does not broadcast to 2x3x4x4}}
  %r = cnn.map(%x0) : (tensor<2x1x1x1xf32>) -> tensor<2x3x4x4xf32> {
  ^bb0(%a: f32):
    cnn.yield %a : f32
  }
  return
}

// -----

func.func @f(%x0: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{operand 0 has shape 2x3x4x4, which does not broadcast to 3}}
  %r = cnn.map(%x0) : (tensor<2x3x4x4xf32>) -> tensor<3xf32> {
  ^bb0(%a: f32):
    cnn.yield %a : f32
  }
  return
}

// -----

func.func @f(%x0: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{body has 2 arguments, expected 1}}
  %r = cnn.map(%x0) : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32> {
  ^bb0(%a: f32, %b: f32):
    cnn.yield %a : f32
  }
  return
}

// -----

func.func @f(%x0: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{argument 0 of the body is 'f64', expected 'f32'}}
  %r = cnn.map(%x0) : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf64> {
  ^bb0(%a: f64):
    cnn.yield %a : f64
  }
  return
}

// -----

func.func @f(%x0: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{body yields 2 values, expected 1}}
  %r = cnn.map(%x0) : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32> {
  ^bb0(%a: f32):
    cnn.yield %a, %a : f32, f32
  }
  return
}

// -----

func.func @f(%x0: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{yielded value 0 is 'f32', expected 'f64'}}
  %r = cnn.map(%x0) : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf64> {
  ^bb0(%a: f32):
    cnn.yield %a : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>) {
  %y = cnn.map(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32> {
  ^bb0(%a: f32):
    // expected-error@+1 {{cannot stand in cnn.map: only arith and math can}}
    %t = tensor.empty() : tensor<3xf32>
    cnn.yield %a : f32
  }
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{cannot sum 2x3x4x4 to 4}}
  %y = cnn.sum_to %x : (tensor<2x3x4x4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{p = 1.000000e+00 must be at least 0 and less than 1}}
  %y = cnn.dropout %x p 1.0 spatial false stream 0 : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{output has shape 2x3x4x5, expected 2x3x4x4}}
  %y = cnn.dropout %x p 0.5 spatial false stream 0 : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x5xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>, %r: tensor<3xi32>) {
  // expected-error@+1 {{rng has shape 3, expected 4}}
  %y = cnn.dropout_train %x, %r p 0.5 spatial false stream 0 : (tensor<2x3x4x4xf32>, tensor<3xi32>) -> tensor<2x3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>, %r: tensor<4xi64>) {
  // expected-error@+1 {{rng must have elements of type i32, has 'i64'}}
  %y = cnn.dropout_train %x, %r p 0.5 spatial false stream 0 : (tensor<2x3x4x4xf32>, tensor<4xi64>) -> tensor<2x3x4x4xf32>
  return
}
