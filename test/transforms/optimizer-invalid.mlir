// An optimiser that does not fit the training step is refused.
// RUN: cnn-opt %s -cnn-optimizer -split-input-file -verify-diagnostics

// expected-error@+1 {{needs @train_step (cnn-autodiff) and @optimizer}}
module {
}

// -----

func.func @train_step(%lr: tensor<f64> {cnn.role = "lr"}, %step: tensor<f64> {cnn.role = "step"}) {
  return
}
// expected-error@+1 {{with 1 states must have 5 arguments and 2 results, has 4 and 1}}
func.func private @optimizer(%param: f64, %grad: f64, %lr: f64, %step: f64) -> f64 attributes {cnn.states = ["v"], cnn.state_inits = [0.0]} {
  return %param : f64
}

// -----

func.func @train_step(%lr: tensor<f64> {cnn.role = "lr"}, %step: tensor<f64> {cnn.role = "step"}) {
  return
}
// expected-error@+1 {{has 1 states and 0 cnn.state_inits}}
func.func private @optimizer(%param: f64, %grad: f64, %lr: f64, %step: f64, %v: f64) -> (f64, f64) attributes {cnn.states = ["v"]} {
  return %param, %v : f64, f64
}

// -----

// expected-error@+1 {{parameter "w" has no gradient}}
func.func @train_step(%lr: tensor<f64> {cnn.role = "lr"}, %step: tensor<f64> {cnn.role = "step"}, %w: tensor<3xf64> {cnn.role = "parameter", cnn.name = "w"}) {
  return
}
func.func private @optimizer(%param: f64, %grad: f64, %lr: f64, %step: f64) -> f64 {
  return %param : f64
}

// -----

// expected-error@+1 {{parameter "w" has cnn.no_decay, but there is no @optimizer_no_decay}}
func.func @train_step(%lr: tensor<f64> {cnn.role = "lr"}, %step: tensor<f64> {cnn.role = "step"}, %w: tensor<3xf64> {cnn.role = "parameter", cnn.name = "w", cnn.no_decay}) {
  return
}
func.func private @optimizer(%param: f64, %grad: f64, %lr: f64, %step: f64) -> f64 {
  return %param : f64
}

// -----

// expected-error@+1 {{has no arguments of role lr and step}}
func.func @train_step(%lr: tensor<f64> {cnn.role = "lr"}) {
  return
}
func.func private @optimizer(%param: f64, %grad: f64, %lr: f64, %step: f64) -> f64 {
  return %param : f64
}

// -----

func.func @train_step(%lr: tensor<f64> {cnn.role = "lr"}, %step: tensor<f64> {cnn.role = "step"}) {
  return
}
func.func private @length(f64) -> f64
func.func private @optimizer(%param: f64, %grad: f64, %lr: f64, %step: f64) -> f64 {
  // expected-error@+1 {{an optimizer calls @norm(x) -> x's type alone, and this is @length of 1 operands}}
  %0 = call @length(%param) : (f64) -> f64
  return %0 : f64
}
