// Operations of shape that do not fit their operands are refused, with the numbers.
// RUN: cnn-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{output has shape 2x47, expected 2x48}}
  %y = cnn.flatten %x : (tensor<2x3x4x4xf32>) -> tensor<2x47xf32>
  return
}

// -----

func.func @f(%x: tensor<2x47xf32>) {
  // expected-error@+1 {{input has shape 2x47, expected 2x48}}
  %y = cnn.unflatten %x : (tensor<2x47xf32>) -> tensor<2x3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{output 5x19 has 95 elements, input 2x3x4x4 has 96}}
  %y = cnn.reshape %x : (tensor<2x3x4x4xf32>) -> tensor<5x19xf32>
  return
}

// -----

func.func @f() {
  // expected-error@+1 {{joins nothing}}
  %y = cnn.concat  : () -> tensor<2x3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>, %z: tensor<2x3x5x4xf32>) {
  // expected-error@+1 {{input has shape 2x3x5x4, expected 2x3x4x4}}
  %y = cnn.concat %x, %z : (tensor<2x3x4x4xf32>, tensor<2x3x5x4xf32>) -> tensor<2x6x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{output has 7 channels, the inputs have 6}}
  %y = cnn.concat %x, %x : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>) -> tensor<2x7x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{channels 2 .. 4 lie outside of the input's 3}}
  %y = cnn.slice_channels %x offset 2 : (tensor<2x3x4x4xf32>) -> tensor<2x2x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{output has shape 2x2x4x5, expected 2x2x4x4}}
  %y = cnn.slice_channels %x offset 0 : (tensor<2x3x4x4xf32>) -> tensor<2x2x4x5xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{output has shape 16x6, expected 32x3}}
  %y = cnn.positions %x : (tensor<2x3x4x4xf32>) -> tensor<16x6xf32>
  return
}

// -----

func.func @f(%x: tensor<31x3xf32>) {
  // expected-error@+1 {{input has shape 31x3, expected 32x3}}
  %y = cnn.from_positions %x : (tensor<31x3xf32>) -> tensor<2x3x4x4xf32>
  return
}
