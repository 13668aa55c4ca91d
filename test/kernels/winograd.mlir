// A 3x3 convolution of 16 channels takes sixteen products on tiles of 2x2: the filter is transformed by a kernel of its own, tiles of the
// map in scratch memory on the stack. Its gradients have the same form.
// RUN: cnn-opt %s --cnn-layout --cnn-to-linalg --cse --cnn-lower-to-kernels --canonicalize --cse | FileCheck %s

// CHECK: cnn.predict = ["{{.*}}forward:winograd_filter winograd_filter_0 x{{[0-9]+}}", "{{.*}}forward:winograd_conv winograd_conv_1 x{{[0-9]+}}"]
// CHECK-LABEL: func.func private @winograd_filter_0
// CHECK-SAME: memref<9216xf32>, %{{.*}}: memref<18432xf32>
// CHECK-LABEL: func.func private @winograd_conv_1
// CHECK: memref.alloca() {alignment = 64 : i64}
// A tile inside the map loads without masks, one at its edge with them.
// CHECK: scf.if
// CHECK-NOT: vector.maskedload
// CHECK: } else {
// CHECK: vector.maskedload
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (vector<16xf32>
// CHECK: vector.fma
func.func @predict(%x: tensor<2x16x16x16xf32> {cnn.role = "input"}, %w: tensor<64x16x3x3xf32> {cnn.role = "parameter", cnn.name = "conv1.weight", cnn.kind = "weight"})
    -> (tensor<2x64x16x16xf32> {cnn.role = "logits"}) {
  %y = cnn.conv %x, %w strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1 : (tensor<2x16x16x16xf32>, tensor<64x16x3x3xf32>) -> tensor<2x64x16x16xf32> loc("forward"("conv1"("a.cnn":1:1)))
  return %y : tensor<2x64x16x16xf32>
}
