// From 24 channels on tiles have six cells a side: of 4x4 outputs for 3x3 filters, of 2x2 outputs for 5x5 ones.
// Cells of transformed filters stand an odd multiple of 256 bytes apart, so that they fall into different sets of the caches.
// RUN: cnn-opt %s --cnn-layout --cnn-to-linalg --cse --cnn-lower-to-kernels --canonicalize --cse | FileCheck %s

// CHECK: cnn.predict = ["conv1 forward:winograd_filter winograd_filter_0 x{{[0-9]+}}", "conv2 forward:winograd_filter winograd_filter_2 x{{[0-9]+}}"
// CHECK-LABEL: func.func private @winograd_filter_0
// CHECK-SAME: memref<13824xf32>, %{{.*}}: memref<59904xf32>
// CHECK-LABEL: func.func private @winograd_filter_2
// CHECK-SAME: memref<102400xf32>, %{{.*}}: memref<152064xf32>
func.func @predict(%x: tensor<2x24x16x16xf32> {cnn.role = "input"}, %w: tensor<64x24x3x3xf32> {cnn.role = "parameter", cnn.name = "conv1.weight", cnn.kind = "weight"},
                   %v: tensor<64x64x5x5xf32> {cnn.role = "parameter", cnn.name = "conv2.weight", cnn.kind = "weight"})
    -> (tensor<2x64x16x16xf32> {cnn.role = "logits"}) {
  %y = cnn.conv %x, %w strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1 : (tensor<2x24x16x16xf32>, tensor<64x24x3x3xf32>) -> tensor<2x64x16x16xf32> loc("forward"("conv1"("a.cnn":1:1)))
  %z = cnn.conv %y, %v strides [1, 1] pads [2, 2, 2, 2] dilations [1, 1] groups 1 : (tensor<2x64x16x16xf32>, tensor<64x64x5x5xf32>) -> tensor<2x64x16x16xf32> loc("forward"("conv2"("a.cnn":1:1)))
  return %z : tensor<2x64x16x16xf32>
}
