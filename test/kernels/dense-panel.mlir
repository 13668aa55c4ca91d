// Rows of weights that are a multiple of 4096 bytes apart share their sets of the first-level cache: the first tile of rows copies them into a panel while
// it multiplies by them, and the others read that. The inputs of a panel are a divisor of all where that fits: two panels of 512.
// RUN: cnn-opt %s --cnn-layout --cnn-to-linalg --cse --cnn-lower-to-kernels --canonicalize --cse | FileCheck %s

// CHECK-LABEL: func.func private @dense_0
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<32768xf32>, %[[W:[a-z0-9]+]]: memref<98304xf32>
// CHECK: %[[PANEL:[a-z0-9_]+]] = memref.alloca() {alignment = 64 : i64} : memref<3072xf32>
// CHECK: %{{.*}}:24 = scf.for
// CHECK: vector.load %[[W]]
// CHECK: vector.store %{{.*}}, %[[PANEL]]
// CHECK: vector.fma
// CHECK: %{{.*}}:24 = scf.for
// CHECK-NOT: vector.load %[[W]]
// CHECK: vector.load %[[PANEL]]
func.func @train_step(%x: tensor<32x1024xf32> {cnn.role = "input"}, %w: tensor<96x1024xf32> {cnn.role = "parameter", cnn.name = "fc.weight", cnn.kind = "weight"})
    -> (tensor<32x96xf32> {cnn.role = "logits"}) {
  %y = cnn.dense %x, %w : (tensor<32x1024xf32>, tensor<96x1024xf32>) -> tensor<32x96xf32> loc("forward"("fc"("a.cnn":1:1)))
  return %y : tensor<32x96xf32>
}
