// A dense layer of many rows and inputs is one kernel: its vectors run along the sum, so the weights are neither transposed in a launch of their own nor
// broadcast, 4 rows x 6 outputs are summed at once, and lanes are added sixteen sums together.
// RUN: cnn-opt %s --cnn-layout --cnn-to-linalg --cse --cnn-lower-to-kernels --canonicalize --cse | FileCheck %s

// CHECK: cnn.train_step = ["{{[^"]*}}forward:dense dense_0 x{{[0-9]+}}"]
// CHECK-LABEL: func.func private @dense_0
// CHECK-SAME: memref<16384xf32>, %[[W:[a-z0-9]+]]: memref<49152xf32>, %{{.*}}: memref<3072xf32>
// CHECK-NOT: vector.broadcast
// CHECK: %{{.*}}:24 = scf.for
// The weights are read where they stand, and the next ones are asked for meanwhile.
// CHECK: memref.prefetch %[[W]]
// CHECK: vector.load %[[W]]
// CHECK-COUNT-24: vector.fma
// CHECK-NOT: vector.reduction
// CHECK: vector.shuffle
func.func @train_step(%x: tensor<32x512xf32> {cnn.role = "input"}, %w: tensor<96x512xf32> {cnn.role = "parameter", cnn.name = "fc.weight", cnn.kind = "weight"})
    -> (tensor<32x96xf32> {cnn.role = "logits"}) {
  %y = cnn.dense %x, %w : (tensor<32x512xf32>, tensor<96x512xf32>) -> tensor<32x96xf32> loc("forward"("fc"("a.cnn":1:1)))
  return %y : tensor<32x96xf32>
}
