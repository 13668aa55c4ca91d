// The symbolic derivatives of scalar programs stay finite and short where it matters.
// RUN: cnn-opt %s -cnn-autodiff -split-input-file | FileCheck %s

// The logistic function 1/(1 + exp(-x)): no quotient of exp(-x), which overflows, by itself.
// CHECK-LABEL: func.func @train_step(
// CHECK: cnn.cross_entropy_grad
// CHECK: cnn.map(%{{.*}}, %{{.*}}) : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32> {
// CHECK-NEXT: ^bb0(%[[DY:.*]]: f32, %[[X:.*]]: f32):
// CHECK-NEXT: %[[ONE:.*]] = arith.constant 1.0
// CHECK-NEXT: %[[N:.*]] = arith.negf %[[X]]
// CHECK-NEXT: %[[E:.*]] = math.exp %[[N]]
// CHECK-NEXT: %[[D:.*]] = arith.addf %[[E]], %[[ONE]]
// CHECK-NEXT: %[[Y:.*]] = arith.divf %[[ONE]], %[[D]]
// CHECK-NEXT: %[[REST:.*]] = arith.subf %[[ONE]], %[[Y]]
// CHECK-NEXT: %[[SLOPE:.*]] = arith.mulf %[[Y]], %[[REST]]
// CHECK-NEXT: %[[DX:.*]] = arith.mulf %[[DY]], %[[SLOPE]]
// CHECK-NEXT: cnn.yield %[[DX]]
func.func @forward(%x: tensor<2x3xf32> {cnn.role = "input"}, %w: tensor<2x3xf32> {cnn.role = "parameter", cnn.name = "w"}) -> tensor<2x3xf32> {
  %y = cnn.map(%w) : (tensor<2x3xf32>) -> tensor<2x3xf32> {
  ^bb0(%a: f32):
    %one = arith.constant 1.0 : f32
    %n = arith.negf %a fastmath<contract> : f32
    %e = math.exp %n fastmath<contract> : f32
    %d = arith.addf %e, %one fastmath<contract> : f32
    %s = arith.divf %one, %d fastmath<contract> : f32
    cnn.yield %s : f32
  }
  return %y : tensor<2x3xf32>
}

// -----

// elu: the choice is between the two slopes, so that the slope of the branch not taken may be infinite.
// CHECK-LABEL: func.func @train_step(
// CHECK: cnn.cross_entropy_grad
// CHECK: ^bb0(%[[DY:.*]]: f32, %[[X:.*]]: f32):
// CHECK: %[[C:.*]] = arith.cmpf ogt, %[[X]]
// CHECK: %[[SLOPE:.*]] = arith.select %[[C]], %{{.*}}, %{{.*}} : f32
// CHECK-NEXT: arith.mulf %[[DY]], %[[SLOPE]]
func.func @forward(%x: tensor<2x3xf32> {cnn.role = "input"}, %w: tensor<2x3xf32> {cnn.role = "parameter", cnn.name = "w"}) -> tensor<2x3xf32> {
  %y = cnn.map(%w) : (tensor<2x3xf32>) -> tensor<2x3xf32> {
  ^bb0(%a: f32):
    %zero = arith.constant 0.0 : f32
    %c = arith.cmpf ogt, %a, %zero : f32
    %e = math.expm1 %a : f32
    %s = arith.select %c, %a, %e : f32
    cnn.yield %s : f32
  }
  return %y : tensor<2x3xf32>
}

// -----

// A gate: one value a sample and channel is summed over the map.
// CHECK-LABEL: func.func @train_step(
// CHECK: cnn.sum_to %{{.*}} : (tensor<2x3x4x4xf32>) -> tensor<2x3x1x1xf32>
func.func @forward(%x: tensor<2x3x4x4xf32> {cnn.role = "input"}, %g: tensor<2x3x1x1xf32> {cnn.role = "parameter", cnn.name = "g"}) -> tensor<2x48xf32> {
  %y = cnn.map(%x, %g) : (tensor<2x3x4x4xf32>, tensor<2x3x1x1xf32>) -> tensor<2x3x4x4xf32> {
  ^bb0(%a: f32, %b: f32):
    %s = arith.mulf %a, %b : f32
    cnn.yield %s : f32
  }
  %z = cnn.flatten %y : (tensor<2x3x4x4xf32>) -> tensor<2x48xf32>
  return %z : tensor<2x48xf32>
}
