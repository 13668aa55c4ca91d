// Where tiles of 4x4 reach over a map of 17x18, the last ones have one row and two columns of outputs, of three and four cells a side: the products of the
// other cells are over fewer tiles.
// RUN: cnn-opt %s --cnn-layout --cnn-to-linalg --cse --cnn-lower-to-kernels --canonicalize --cse | FileCheck %s

// CHECK-LABEL: func.func private @winograd_conv_1
// CHECK-DAG: %[[ROWS:.*]] = arith.constant 3 : index
// CHECK-DAG: %[[COLUMNS:.*]] = arith.constant 4 : index
// CHECK-DAG: %[[SIDE:.*]] = arith.constant 6 : index
// CHECK-DAG: %[[FIRST:.*]] = arith.constant 0 : index
// CHECK: scf.for %{{.*}} = %[[FIRST]] to %[[ROWS]]
// CHECK: scf.for %{{.*}} = %[[FIRST]] to %[[COLUMNS]]
// CHECK: scf.for %{{.*}} = %[[ROWS]] to %[[SIDE]]
// CHECK: scf.for %{{.*}} = %[[FIRST]] to %[[COLUMNS]]
// CHECK: scf.for %{{.*}} = %[[FIRST]] to %[[ROWS]]
// CHECK: scf.for %{{.*}} = %[[COLUMNS]] to %[[SIDE]]
// CHECK: scf.for %{{.*}} = %[[ROWS]] to %[[SIDE]]
// CHECK: scf.for %{{.*}} = %[[COLUMNS]] to %[[SIDE]]
func.func @predict(%x: tensor<2x32x17x18xf32> {cnn.role = "input"}, %w: tensor<32x32x3x3xf32> {cnn.role = "parameter", cnn.name = "conv1.weight", cnn.kind = "weight"})
    -> (tensor<2x32x17x18xf32> {cnn.role = "logits"}) {
  %y = cnn.conv %x, %w strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1 : (tensor<2x32x17x18xf32>, tensor<32x32x3x3xf32>) -> tensor<2x32x17x18xf32> loc("forward"("conv1"("a.cnn":1:1)))
  return %y : tensor<2x32x17x18xf32>
}
