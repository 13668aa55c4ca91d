// Pooling that do not fit their operands are refused, with the numbers.
// RUN: cnn-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2x3x8x8xf32>) {
  // expected-error@+1 {{kernel has 1 values, expected 2}}
  %y, %i = cnn.maxpool %x kernel [2] strides [2, 2] pads [0, 0, 0, 0] : (tensor<2x3x8x8xf32>) -> (tensor<2x3x4x4xf32>, tensor<2x3x4x4xi8>)
  return
}

// -----

func.func @f(%x: tensor<2x3x8x8xf32>) {
  // expected-error@+1 {{kernel holds 0, must be at least 1}}
  %y, %i = cnn.maxpool %x kernel [2, 0] strides [2, 2] pads [0, 0, 0, 0] : (tensor<2x3x8x8xf32>) -> (tensor<2x3x4x4xf32>, tensor<2x3x4x4xi8>)
  return
}

// -----

func.func @f(%x: tensor<2x3x8x8xf32>) {
  // expected-error@+1 {{output height is 5, expected (8 - 2 + 0)/2 + 1 = 4}}
  %y, %i = cnn.maxpool %x kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] : (tensor<2x3x8x8xf32>) -> (tensor<2x3x5x4xf32>, tensor<2x3x5x4xi8>)
  return
}

// -----

func.func @f(%x: tensor<2x3x8x8xf32>) {
  // expected-error@+1 {{output has shape 2x4x4x4, expected 2x3x4x4}}
  %y, %i = cnn.maxpool %x kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] : (tensor<2x3x8x8xf32>) -> (tensor<2x4x4x4xf32>, tensor<2x4x4x4xi8>)
  return
}

// -----

func.func @f(%x: tensor<2x3x8x8xf32>) {
  // expected-error@+1 {{pad 2 must be less than the kernel's side 2}}
  %y, %i = cnn.maxpool %x kernel [2, 2] strides [2, 2] pads [2, 0, 0, 0] : (tensor<2x3x8x8xf32>) -> (tensor<2x3x5x4xf32>, tensor<2x3x5x4xi8>)
  return
}

// -----

func.func @f(%x: tensor<2x3x8x8xf32>) {
  // expected-error@+1 {{indices of a window of 4 cells must have elements of type i8, have 'i32'}}
  %y, %i = cnn.maxpool %x kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] : (tensor<2x3x8x8xf32>) -> (tensor<2x3x4x4xf32>, tensor<2x3x4x4xi32>)
  return
}

// -----

func.func @f(%x: tensor<2x3x12x12xf32>) {
  // expected-error@+1 {{indices of a window of 144 cells must have elements of type i16, have 'i8'}}
  %y, %i = cnn.maxpool %x kernel [12, 12] strides [2, 2] pads [0, 0, 0, 0] : (tensor<2x3x12x12xf32>) -> (tensor<2x3x1x1xf32>, tensor<2x3x1x1xi8>)
  return
}

// -----

func.func @f(%x: tensor<2x3x8x8xf32>) {
  // expected-error@+1 {{indices has shape 2x3x4x1, expected 2x3x4x4}}
  %y, %i = cnn.maxpool %x kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] : (tensor<2x3x8x8xf32>) -> (tensor<2x3x4x4xf32>, tensor<2x3x4x1xi8>)
  return
}

// -----

func.func @f(%y: tensor<2x3x4x4xf32>, %i: tensor<2x3x4x4xi16>) {
  // expected-error@+1 {{indices of a window of 4 cells must have elements of type i8, have 'i16'}}
  %x = cnn.maxpool_grad %y, %i kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xi16>) -> tensor<2x3x8x8xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x7x7xf32>) {
  // expected-error@+1 {{uncounted has 1 values, expected 2}}
  %y = cnn.avgpool %x kernel [2, 2] strides [2, 2] pads [0, 0, 1, 1] uncounted [1] count_pad true : (tensor<2x3x7x7xf32>) -> tensor<2x3x4x4xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3x7x7xf32>) {
  // expected-error@+1 {{uncounted 2 must be between 0 and the padding behind, 1}}
  %y = cnn.avgpool %x kernel [2, 2] strides [2, 2] pads [0, 0, 1, 1] uncounted [0, 2] count_pad true : (tensor<2x3x7x7xf32>) -> tensor<2x3x4x4xf32>
  return
}

// -----

func.func @f(%y: tensor<2x3x4x4xf32>) {
  // expected-error@+1 {{output width is 4, expected (7 - 2 + 0)/2 + 1 = 3}}
  %x = cnn.avgpool_grad %y kernel [2, 2] strides [2, 2] pads [0, 0, 1, 0] uncounted [1, 0] count_pad true : (tensor<2x3x4x4xf32>) -> tensor<2x3x7x7xf32>
  return
}
