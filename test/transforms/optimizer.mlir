// cnn-optimizer: one map a parameter with the optimiser's program in it; states appended; clipping inside, gradients returned as they were.
// RUN: cnn-opt %s -cnn-optimizer -split-input-file | FileCheck %s

// CHECK-LABEL: func.func @train_step(
// CHECK-SAME: %[[LR:[a-z0-9]+]]: tensor<f32> {cnn.role = "lr"}
// CHECK-SAME: %[[W:[a-z0-9]+]]: tensor<3x5xf32>
// CHECK-SAME: %[[B:[a-z0-9]+]]: tensor<3xf32>
// CHECK-SAME: %[[V:[a-z0-9]+]]: tensor<3x5xf32> {cnn.init = 2.500000e-01 : f64, cnn.name = "w.v", cnn.of = "w", cnn.role = "state"}
// CHECK-SAME: %{{[a-z0-9]+}}: tensor<3xf32> {cnn.init = 2.500000e-01 : f64, cnn.name = "b.v", cnn.of = "b", cnn.role = "state"}
// CHECK-SAME: tensor<3x5xf32> {cnn.name = "w", cnn.role = "gradient"}, tensor<3xf32> {cnn.name = "b", cnn.role = "gradient"}, tensor<3x5xf32> {cnn.name = "w", cnn.role = "update"}, tensor<3x5xf32> {cnn.name = "w.v", cnn.role = "update"}, tensor<3xf32> {cnn.name = "b", cnn.role = "update"}, tensor<3xf32> {cnn.name = "b.v", cnn.role = "update"})
// CHECK: %[[GW:.*]] = cnn.dense_filter_grad
// CHECK: %[[GB:.*]] = cnn.sum_to
// The norm of all gradients together.
// CHECK: %[[SQUARE:.*]] = cnn.map(%[[GW]])
// CHECK: %[[NW:.*]] = cnn.sum_to %[[SQUARE]] : (tensor<3x5xf32>) -> tensor<f32>
// CHECK: %[[NB:.*]] = cnn.sum_to %{{.*}} : (tensor<3xf32>) -> tensor<f32>
// CHECK: %[[FACTOR:.*]] = cnn.map(%[[NW]], %[[NB]])
// CHECK-DAG: arith.constant 5.0
// CHECK-DAG: arith.constant 9.99999997E-7
// CHECK: math.sqrt
// CHECK: arith.divf
// CHECK: arith.minimumf
// CHECK: %[[NEW:.*]]:2 = cnn.map(%[[W]], %[[GW]], %[[LR]], %[[V]], %[[FACTOR]])
// CHECK-NEXT: ^bb0(%[[P:.*]]: f32, %[[G:.*]]: f32, %{{.*}}: f32, %{{.*}}: f32, %[[F:.*]]: f32):
// CHECK: arith.mulf %[[G]], %[[F]]
// The parameter without decay has the other program.
// CHECK: %[[NEWB:.*]]:2 = cnn.map(%[[B]], %[[GB]]
// CHECK: arith.constant 1.250000e-01
// CHECK: return %{{.*}}, %[[GW]], %[[GB]], %[[NEW]]#0, %[[NEW]]#1, %[[NEWB]]#0, %[[NEWB]]#1
// CHECK-NOT: @optimizer
module attributes {cnn.clip_norm = 5.0 : f64} {
  func.func @train_step(%lr: tensor<f32> {cnn.role = "lr"}, %step: tensor<f32> {cnn.role = "step"}, %x: tensor<2x5xf32>, %dy: tensor<2x3xf32>,
      %w: tensor<3x5xf32> {cnn.role = "parameter", cnn.name = "w"}, %b: tensor<3xf32> {cnn.role = "parameter", cnn.name = "b", cnn.no_decay})
      -> (tensor<2x3xf32> {cnn.role = "logits"}, tensor<3x5xf32> {cnn.role = "gradient", cnn.name = "w"}, tensor<3xf32> {cnn.role = "gradient", cnn.name = "b"}) {
    %dw = cnn.dense_filter_grad %x, %dy : (tensor<2x5xf32>, tensor<2x3xf32>) -> tensor<3x5xf32>
    %db = cnn.sum_to %dy : (tensor<2x3xf32>) -> tensor<3xf32>
    return %dy, %dw, %db : tensor<2x3xf32>, tensor<3x5xf32>, tensor<3xf32>
  }
  func.func private @optimizer(%param: f32, %grad: f32, %lr: f32, %step: f32, %v: f32) -> (f32, f32) attributes {cnn.states = ["v"], cnn.state_inits = [0.25]} {
    %0 = arith.addf %v, %grad : f32
    %1 = arith.mulf %lr, %0 : f32
    %2 = arith.subf %param, %1 : f32
    return %2, %0 : f32, f32
  }
  func.func private @optimizer_no_decay(%param: f32, %grad: f32, %lr: f32, %step: f32, %v: f32) -> (f32, f32) attributes {cnn.states = ["v"], cnn.state_inits = [0.25]} {
    %c = arith.constant 0.125 : f32
    %0 = arith.addf %v, %grad : f32
    %1 = arith.mulf %c, %0 : f32
    %2 = arith.subf %param, %1 : f32
    return %2, %0 : f32, f32
  }
}

// -----

// Clipping by value: each element between -limit and limit.
// CHECK-LABEL: func.func @train_step(
// CHECK: cnn.map
// CHECK-DAG: %[[LOW:.*]] = arith.constant -5.000000e-01
// CHECK-DAG: %[[HIGH:.*]] = arith.constant 5.000000e-01
// CHECK: %[[MAX:.*]] = arith.maximumf %{{.*}}, %[[LOW]]
// CHECK: arith.minimumf %[[MAX]], %[[HIGH]]
module attributes {cnn.clip_value = 0.5 : f64} {
  func.func @train_step(%lr: tensor<f64> {cnn.role = "lr"}, %step: tensor<f64> {cnn.role = "step"}, %dw: tensor<3xf64>,
      %w: tensor<3xf64> {cnn.role = "parameter", cnn.name = "w"}) -> (tensor<3xf64> {cnn.role = "gradient", cnn.name = "w"}) {
    return %dw : tensor<3xf64>
  }
  func.func private @optimizer(%param: f64, %grad: f64, %lr: f64, %step: f64) -> f64 {
    %1 = arith.mulf %lr, %grad : f64
    %2 = arith.subf %param, %1 : f64
    return %2 : f64
  }
}

// -----

// A norm is a sum over the tensor ahead of the step, of the clipped gradient; a later one may use it.
// CHECK-LABEL: func.func @train_step(
// CHECK-SAME: %[[LR:[a-z0-9]+]]: tensor<f64> {cnn.role = "lr"}
// CHECK-SAME: %[[G:[a-z0-9]+]]: tensor<3xf64>, %[[W:[a-z0-9]+]]: tensor<3xf64>
// CHECK: %[[CLIPPED:.*]] = cnn.map(%[[G]])
// CHECK: arith.maximumf
// CHECK: arith.minimumf
// CHECK: %[[SQUARE:.*]] = cnn.map(%[[CLIPPED]])
// CHECK: arith.mulf
// CHECK: %[[SUM:.*]] = cnn.sum_to %[[SQUARE]] : (tensor<3xf64>) -> tensor<f64>
// CHECK: %[[SLOPE:.*]] = cnn.map(%[[SUM]]) : (tensor<f64>) -> tensor<f64>
// CHECK: math.sqrt
// CHECK: %[[RATIO:.*]] = cnn.map(%[[W]], %[[SLOPE]])
// CHECK: arith.divf
// CHECK: cnn.sum_to
// CHECK: %[[LENGTH:.*]] = cnn.map({{.*}}) : (tensor<f64>) -> tensor<f64>
// CHECK: cnn.map(%[[W]], %[[LR]], %[[LENGTH]])
// CHECK-NOT: @norm
module attributes {cnn.clip_value = 0.5 : f64} {
  func.func @train_step(%lr: tensor<f64> {cnn.role = "lr"}, %step: tensor<f64> {cnn.role = "step"}, %dw: tensor<3xf64>,
      %w: tensor<3xf64> {cnn.role = "parameter", cnn.name = "w"}) -> (tensor<3xf64> {cnn.role = "gradient", cnn.name = "w"}) {
    return %dw : tensor<3xf64>
  }
  func.func private @norm(f64) -> f64
  func.func private @optimizer(%param: f64, %grad: f64, %lr: f64, %step: f64) -> f64 {
    %slope = call @norm(%grad) : (f64) -> f64
    %ratio = arith.divf %param, %slope : f64
    %length = call @norm(%ratio) : (f64) -> f64
    %0 = arith.mulf %lr, %length : f64
    %1 = arith.subf %param, %0 : f64
    return %1 : f64
  }
}
