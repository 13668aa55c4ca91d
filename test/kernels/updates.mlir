// An update writes into its tensor in place: the launch has no buffer of its own for the new value, and the arena is empty but for the gradient.
// RUN: cnn-opt %s --cnn-layout --cnn-to-linalg --cse --cnn-lower-to-kernels --canonicalize --cse | FileCheck %s

// CHECK: cnn.train_step = ["{{.*}}update:map map_0 x1"]
// CHECK-LABEL: func.func private @map_0
// One buffer is read and written.
// CHECK-SAME: (%[[P:[a-z0-9]+]]: memref<64xf32>, %[[G:[a-z0-9]+]]: memref<64xf32>, %{{[a-z0-9]+}}: index)
// CHECK: vector.load %[[P]]
// CHECK: vector.store %{{.*}}, %[[P]]
func.func @train_step(%x: tensor<2x32xf32> {cnn.role = "input"}, %p: tensor<64xf32> {cnn.role = "parameter", cnn.name = "p", cnn.kind = "weight"},
                      %g: tensor<64xf32> {cnn.role = "parameter", cnn.name = "g", cnn.kind = "weight"})
    -> (tensor<64xf32> {cnn.role = "update", cnn.name = "p"}) {
  %n = cnn.map(%p, %g) : (tensor<64xf32>, tensor<64xf32>) -> tensor<64xf32> {
  ^bb0(%a: f32, %b: f32):
    %d = arith.subf %a, %b : f32
    cnn.yield %d : f32
  } loc("update"("p"("a.cnn":1:1)))
  return %n : tensor<64xf32>
}
