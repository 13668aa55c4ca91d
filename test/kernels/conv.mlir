// A convolution becomes one kernel that reads the map unpadded: no padded copy is launched, and the sums stay in registers across the taps.
// RUN: cnn-opt %s --cnn-layout --cnn-to-linalg --cse --cnn-lower-to-kernels --canonicalize --cse | FileCheck %s

// CHECK: cnn.predict = ["{{.*}}forward:conv conv_0 x{{[0-9]+}}"]
// CHECK-LABEL: func.func private @conv_0
// CHECK-SAME: memref<8192xf32>, %{{.*}}: memref<25600xf32>, %{{.*}}: memref<32768xf32>
// CHECK-NOT: memref.alloc
// Rows of taps outside, channels inside, both carrying the accumulators.
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (vector<16xf32>
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (vector<16xf32>
// CHECK: vector.fma
// CHECK-NOT: vector.store
// CHECK: scf.yield
func.func @predict(%x: tensor<2x16x16x16xf32> {cnn.role = "input"}, %w: tensor<64x16x5x5xf32> {cnn.role = "parameter", cnn.name = "conv1.weight", cnn.kind = "weight"})
    -> (tensor<2x64x16x16xf32> {cnn.role = "logits"}) {
  %y = cnn.conv %x, %w strides [1, 1] pads [2, 2, 2, 2] dilations [1, 1] groups 1 : (tensor<2x16x16x16xf32>, tensor<64x16x5x5xf32>) -> tensor<2x64x16x16xf32> loc("forward"("conv1"("a.cnn":1:1)))
  return %y : tensor<2x64x16x16xf32>
}
