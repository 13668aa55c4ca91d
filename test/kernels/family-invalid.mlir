// A generic that is neither elementwise nor a known sum is refused, not lowered wrongly.
// RUN: not cnn-opt %s --cnn-lower-to-kernels 2>&1 | FileCheck %s
// CHECK: error: {{.*}} is neither elementwise nor a sum that has a kernel
#transposed = affine_map<(d0, d1) -> (d1, d0)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @predict(%x: tensor<4x4xf32> {cnn.role = "input"}) -> (tensor<4x4xf32> {cnn.role = "logits"}) {
  %e = tensor.empty() : tensor<4x4xf32>
  %y = linalg.generic {indexing_maps = [#transposed, #id], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) {
  ^bb0(%a: f32, %b: f32):
    linalg.yield %a : f32
  } -> tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}
