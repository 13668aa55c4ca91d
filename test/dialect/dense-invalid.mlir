// Dense layers that do not fit their operands are refused, with the numbers.
// RUN: cnn-opt %s -split-input-file -verify-diagnostics

func.func @f(%x: tensor<2x3x1x1xf32>, %w: tensor<5x3xf32>) {
  // expected-error@+1 {{input must have rank 2, has rank 4}}
  %y = cnn.dense %x, %w : (tensor<2x3x1x1xf32>, tensor<5x3xf32>) -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %w: tensor<5xf32>) {
  // expected-error@+1 {{weight must have rank 2, has rank 1}}
  %y = cnn.dense %x, %w : (tensor<2x3xf32>, tensor<5xf32>) -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %w: tensor<5x4xf32>) {
  // expected-error@+1 {{weight reads 4 values a sample, input has 3}}
  %y = cnn.dense %x, %w : (tensor<2x3xf32>, tensor<5x4xf32>) -> tensor<2x5xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %w: tensor<5x3xf32>) {
  // expected-error@+1 {{output has shape 5x2, expected 2x5}}
  %y = cnn.dense %x, %w : (tensor<2x3xf32>, tensor<5x3xf32>) -> tensor<5x2xf32>
  return
}

// -----

func.func @f(%w: tensor<5x3xf32>, %y: tensor<2x6xf32>) {
  // expected-error@+1 {{output gradient has shape 2x6, expected 2x5}}
  %x = cnn.dense_input_grad %w, %y : (tensor<5x3xf32>, tensor<2x6xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @f(%x: tensor<2x3xf32>, %y: tensor<2x5xf32>) {
  // expected-error@+1 {{weight gradient reads 4 values a sample, input has 3}}
  %w = cnn.dense_filter_grad %x, %y : (tensor<2x3xf32>, tensor<2x5xf32>) -> tensor<5x4xf32>
  return
}
