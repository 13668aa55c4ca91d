// What cannot be differentiated is an error at its line, never a silent zero.
// RUN: cnn-opt %s -cnn-autodiff -split-input-file -verify-diagnostics

// expected-error@+1 {{has no @forward to differentiate}}
module {
}

// -----

// expected-error@+1 {{argument 0 must be a tensor of floats with a cnn.role}}
func.func @forward(%x: tensor<4x3xf64>) -> tensor<4x3xf64> {
  return %x : tensor<4x3xf64>
}

// -----

// expected-error@+1 {{must return logits of rank 2, returns 'tensor<4x3x1x1xf64>'}}
func.func @forward(%x: tensor<4x3x1x1xf64> {cnn.role = "input"}) -> tensor<4x3x1x1xf64> {
  return %x : tensor<4x3x1x1xf64>
}

// -----

func.func @forward(%x: tensor<4x3xf64> {cnn.role = "input"}, %w: tensor<4x3xf64> {cnn.role = "parameter", cnn.name = "w"}) -> tensor<4x3xf64> {
  %y = cnn.map(%w) : (tensor<4x3xf64>) -> tensor<4x3xf64> {
  ^bb0(%a: f64):
    // expected-error@+1 {{no rule for the derivative of math.atan}}
    %b = math.atan %a : f64
    cnn.yield %b : f64
  }
  return %y : tensor<4x3xf64>
}

// -----

func.func @forward(%x: tensor<4x3xf64> {cnn.role = "input"}, %w: tensor<4x3xf64> {cnn.role = "parameter", cnn.name = "w"}) -> tensor<4x3xf64> {
  // expected-error@+1 {{no rule for the derivative of tensor.cast}}
  %y = tensor.cast %w : tensor<4x3xf64> to tensor<4x3xf64>
  return %y : tensor<4x3xf64>
}

// -----

func.func @forward(%x: tensor<4x3xf64> {cnn.role = "input"}, %w: tensor<3xf64> {cnn.role = "parameter", cnn.name = "w"},
    %v: tensor<3x3xf64> {cnn.role = "parameter", cnn.name = "v"}) -> tensor<4x3xf64> {
  %z = cnn.dense %x, %v : (tensor<4x3xf64>, tensor<3x3xf64>) -> tensor<4x3xf64>
  // expected-error@+1 {{has no derivative where mean and variance are not the input's own (cnn.batch_stats)}}
  %y = cnn.normalize %z, %w, %w, %w, %w eps 1.0e-5 : (tensor<4x3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) -> tensor<4x3xf64>
  return %y : tensor<4x3xf64>
}

// -----

func.func @forward(%x: tensor<1x3xf64> {cnn.role = "input"}, %w: tensor<3xf64> {cnn.role = "parameter", cnn.name = "w"}) -> tensor<1x3xf64> {
  // expected-error@+1 {{batch normalisation needs more than one value a channel to train, has 1}}
  %y = cnn.batchnorm %x, %w, %w, %w, %w momentum 0.1 eps 1.0e-5 : (tensor<1x3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) -> tensor<1x3xf64>
  return %y : tensor<1x3xf64>
}
