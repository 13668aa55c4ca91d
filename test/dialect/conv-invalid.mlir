// Convolutions that do not fit their operands are refused, with the numbers.
// RUN: cnn-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x3x3xf64>) {
  // expected-error@+1 {{filter has elements of type 'f64', input of type 'f32'}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x4x9x9xf32>, tensor<6x4x3x3xf64>) -> tensor<2x6x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xi32>, %w: tensor<6x4x3x3xi32>) {
  // expected-error@+1 {{input must have floating-point elements, has 'i32'}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x4x9x9xi32>, tensor<6x4x3x3xi32>) -> tensor<2x6x7x7xi32>
  return
}

// -----

func.func @f(%x: tensor<2x4x?x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{input has a dynamic shape: 'tensor<2x4x?x9xf32>'}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x4x?x9xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x3xf32>) {
  // expected-error@+1 {{filter must have rank 4, has rank 3}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x4x9x9xf32>, tensor<6x4x3xf32>) -> tensor<2x6x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{input must have rank 4, has rank 3}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x4x9xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{output must have rank 4, has rank 3}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x4x9x9xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{output height is 8, expected (9 - 3 + 0)/1 + 1 = 7}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x4x9x9xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x8x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{output width is 7, expected (9 - 5 + 0)/1 + 1 = 5}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 2] groups 1 : (tensor<2x4x9x9xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x11x11xf32>) {
  // expected-error@+1 {{output height is 1, expected (9 - 11 + 0)/1 + 1 = -1}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x4x9x9xf32>, tensor<6x4x11x11xf32>) -> tensor<2x6x1x1xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{strides has 1 values, expected 2}}
  %y = cnn.conv %x, %w strides [1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x4x9x9xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{strides holds 0, must be at least 1}}
  %y = cnn.conv %x, %w strides [0, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x4x9x9xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{pads has 2 values, expected 4}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0] dilations [1, 1] groups 1 : (tensor<2x4x9x9xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{pads holds -1, must be at least 0}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, -1] dilations [1, 1] groups 1 : (tensor<2x4x9x9xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{dilations has 1 values, expected 2}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1] groups 1 : (tensor<2x4x9x9xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{dilations holds 0, must be at least 1}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 0] groups 1 : (tensor<2x4x9x9xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x1x3x3xf32>) {
  // expected-error@+1 {{3 groups do not divide 4 input channels and 6 filters}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 3 : (tensor<2x4x9x9xf32>, tensor<6x1x3x3xf32>) -> tensor<2x6x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{0 groups do not divide 4 input channels and 6 filters}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 0 : (tensor<2x4x9x9xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{filter reads 4 channels, expected 4/2 = 2}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 2 : (tensor<2x4x9x9xf32>, tensor<6x4x3x3xf32>) -> tensor<2x6x7x7xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %w: tensor<6x4x3x3xf32>) {
  // expected-error@+1 {{output has shape 2x5x7x7, expected 2x6x7x7}}
  %y = cnn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x4x9x9xf32>, tensor<6x4x3x3xf32>) -> tensor<2x5x7x7xf32>
  return
}

// -----

func.func @f(%w: tensor<6x4x3x3xf32>, %y: tensor<3x6x7x7xf32>) {
  // expected-error@+1 {{output gradient has shape 3x6x7x7, expected 2x6x7x7}}
  %x = cnn.conv_input_grad %w, %y strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<6x4x3x3xf32>, tensor<3x6x7x7xf32>) -> tensor<2x4x9x9xf32>
  return
}

// -----

func.func @f(%x: tensor<2x4x9x9xf32>, %y: tensor<2x6x7x7xf32>) {
  // expected-error@+1 {{filter gradient reads 5 channels, expected 4/1 = 4}}
  %w = cnn.conv_filter_grad %x, %y strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<2x4x9x9xf32>, tensor<2x6x7x7xf32>) -> tensor<6x5x3x3xf32>
  return
}
