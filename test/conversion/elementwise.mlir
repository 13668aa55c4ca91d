// Each way in which an operand of cnn.map is broadcast is an indexing map; sums are the maps' other direction; dropout draws by Philox.
// RUN: cnn-opt %s -cnn-layout -cnn-to-linalg | FileCheck %s --implicit-check-not='= cnn.'

// CHECK-DAG: #[[FULL:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
// CHECK-DAG: #[[CHANNEL:.*]] = affine_map<(d0, d1, d2, d3) -> (d3)>
// CHECK-DAG: #[[SAMPLE:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, 0, 0, d3)>
// CHECK-DAG: #[[SCALAR:.*]] = affine_map<(d0, d1, d2, d3) -> ()>
// CHECK-DAG: #[[ROW:.*]] = affine_map<(d0, d1) -> (d0, 0)>
// CHECK-DAG: #[[SUMROW:.*]] = affine_map<(d0, d1) -> (d0)>

// CHECK-LABEL: @maps(
// CHECK: linalg.generic {indexing_maps = [#[[FULL]], #[[CHANNEL]], #[[SAMPLE]], #[[SCALAR]], #[[FULL]]]
func.func @maps(%x: tensor<2x3x4x4xf32>, %c: tensor<3xf32>, %n: tensor<2x3x1x1xf32>, %s: tensor<f32>) -> tensor<2x3x4x4xf32> {
  %y = cnn.map(%x, %c, %n, %s) : (tensor<2x3x4x4xf32>, tensor<3xf32>, tensor<2x3x1x1xf32>, tensor<f32>) -> tensor<2x3x4x4xf32> {
  ^bb0(%a: f32, %b: f32, %d: f32, %e: f32):
    %0 = arith.addf %a, %b : f32
    %1 = arith.mulf %0, %d : f32
    %2 = arith.mulf %1, %e : f32
    cnn.yield %2 : f32
  }
  return %y : tensor<2x3x4x4xf32>
}

// CHECK-LABEL: @sums(
// CHECK: linalg.generic {indexing_maps = [#[[FULL]], #[[CHANNEL]]]{{.*}}["reduction", "reduction", "reduction", "parallel"]
// CHECK: linalg.generic {indexing_maps = [#[[FULL]], #[[SCALAR]]]{{.*}}["reduction", "reduction", "reduction", "reduction"]
func.func @sums(%x: tensor<2x3x4x4xf32>) -> (tensor<3xf32>, tensor<f32>) {
  %c = cnn.sum_to %x : (tensor<2x3x4x4xf32>) -> tensor<3xf32>
  %s = cnn.sum_to %x : (tensor<2x3x4x4xf32>) -> tensor<f32>
  return %c, %s : tensor<3xf32>, tensor<f32>
}

// A row a position: only the shape changes, and one value a row is summed and broadcast.
// CHECK-LABEL: @positions(
// CHECK: %[[ROWS:.*]] = tensor.collapse_shape %{{.*}} {{\[}}[0, 1, 2], [3]] : tensor<2x4x4x3xf32> into tensor<32x3xf32>
// CHECK: linalg.generic {indexing_maps = [#{{.*}}, #[[SUMROW]]]{{.*}}["parallel", "reduction"]{{.*}}ins(%[[ROWS]]
// CHECK: linalg.generic {indexing_maps = [#{{.*}}, #[[ROW]], #{{.*}}]
// CHECK: tensor.expand_shape %{{.*}} : tensor<32x3xf32> into tensor<2x4x4x3xf32>
func.func @positions(%x: tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32> {
  %r = cnn.positions %x : (tensor<2x3x4x4xf32>) -> tensor<32x3xf32>
  %s = cnn.sum_to %r : (tensor<32x3xf32>) -> tensor<32x1xf32>
  %d = cnn.map(%r, %s) : (tensor<32x3xf32>, tensor<32x1xf32>) -> tensor<32x3xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.subf %a, %b : f32
    cnn.yield %0 : f32
  }
  %y = cnn.from_positions %d : (tensor<32x3xf32>) -> tensor<2x3x4x4xf32>
  return %y : tensor<2x3x4x4xf32>
}

// The element's number, from which the bits are drawn, counts in the order N,C,H,W: sample, channel, row, column. A dropped path has the
// sample's number alone.
// CHECK-LABEL: @dropout(
// CHECK: linalg.generic
// CHECK-DAG: linalg.index 0
// CHECK-DAG: linalg.index 3
// CHECK-DAG: linalg.index 1
// CHECK-DAG: linalg.index 2
// CHECK: arith.mului_extended
// CHECK: arith.cmpi ult
// CHECK: linalg.generic
// CHECK: linalg.index 0
// CHECK-NOT: linalg.index
// CHECK: return
func.func @dropout(%x: tensor<2x3x4x4xf32>, %rng: tensor<4xi32>) -> tensor<2x3x4x4xf32> {
  %y = cnn.dropout_train %x, %rng p 0.5 spatial false stream 1 : (tensor<2x3x4x4xf32>, tensor<4xi32>) -> tensor<2x3x4x4xf32>
  %z = cnn.dropout_train %y, %rng p 0.5 spatial false stream 2 {per_sample} : (tensor<2x3x4x4xf32>, tensor<4xi32>) -> tensor<2x3x4x4xf32>
  return %z : tensor<2x3x4x4xf32>
}
