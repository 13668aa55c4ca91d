"""A program's training step through upstream's passes alone: linalg as plain loops, one scalar at a time, in f64.
In: a .cnn file.  Out: a function of named tensors, which gives logits, loss, gradients and new values under the names of `probe`.
What it shares with our kernels is the linalg that both are made from."""
import array
import ctypes
import os
import re
import subprocess
import sys
from collections import namedtuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "numeric"))
from tensors import Tensor, count

PASSES = ["eliminate-empty-tensors", "empty-tensor-to-alloc-tensor",
          "one-shot-bufferize=bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map", "buffer-results-to-out-params=modify-public-functions=true",
          "convert-linalg-to-loops", "expand-strided-metadata", "lower-affine", "convert-scf-to-cf", "llvm-request-c-wrappers", "convert-math-to-llvm",
          "finalize-memref-to-llvm", "convert-func-to-llvm", "arith-expand", "convert-arith-to-llvm", "convert-cf-to-llvm", "convert-index-to-llvm",
          "convert-ub-to-llvm", "reconcile-unrealized-casts"]
CODES = {"f64": "d", "i32": "i"}
Value = namedtuple("Value", "shape kind role name block")


def values_of(text):
    """-> [Value]: of the types with attributes in a function's signature"""
    found = []
    for shape, kind, attributes in re.findall(r"tensor<((?:\d+x)*)([a-z]+\d+)> \{(.*?)\}", text):
        words = dict(re.findall(r'cnn\.(\w+) = "?([^",}]+)"?', attributes))
        block = int(words["block"].split()[0]) if "block" in words else 0
        found.append(Value([int(d) for d in shape.split("x") if d], kind, words["role"], words.get("name", ""), block))
    return found


def stored(value, tensor):
    """NCHW -> NHWC, OIHW -> [O/block][KH][KW][I][block], others as they are"""
    if value.role == "input":
        N, C, H, W = tensor.shape
        v = tensor.values
        return [v[((n * C + c) * H + h) * W + w] for n in range(N) for h in range(H) for w in range(W) for c in range(C)]
    if len(value.shape) == 5:
        return [tensor.values[i] for i in filter_order(value.shape)]
    return tensor.values


def filter_order(shape):
    """For each place of the stored filter its place in OIHW."""
    blocks, KH, KW, I, B = shape
    return [(((b * B + o) * I + i) * KH + kh) * KW + kw for b in range(blocks) for kh in range(KH) for kw in range(KW) for i in range(I) for o in range(B)]


def plain(value, values):
    """What `stored` did, undone for filters; shapes are not needed by who compares."""
    if len(value.shape) != 5:
        return values
    out = [0.0] * len(values)
    for place, v in zip(filter_order(value.shape), values):
        out[place] = v
    return out


def descriptor(buffer, shape):
    """A pointer to MLIR's memref descriptor: allocated, aligned, offset, sizes, strides."""
    address, _ = buffer.buffer_info()
    strides = [count(shape[i + 1:]) for i in range(len(shape))]
    return (ctypes.c_int64 * (3 + 2 * len(shape)))(address, address, 0, *shape, *strides)


class NaiveStep:
    def __init__(self, cnnc, cnn_opt, source, folder):
        base = os.path.join(folder, "naive")
        linalg, llvm, obj, library = (base + end for end in (".linalg.mlir", ".mlir", ".o", ".so"))
        subprocess.run([cnnc, source, "-Wnone", "--precision", "f64", "--emit=linalg", "-o", linalg], check=True)
        with open(linalg) as f:
            text = f.read()
        header = next(line for line in text.splitlines() if "func.func @train_step" in line)
        arguments, results = header.split(") -> (", 1)
        self.arguments, self.results = values_of(arguments), values_of(results)
        # The step alone: the other functions would only cost time.
        with open(linalg, "w") as f:
            f.write(text[:text.index("  func.func @predict(")] + "}\n")
        subprocess.run([cnn_opt, linalg, *("--" + p for p in PASSES), "-o", llvm], check=True)
        ir = subprocess.run(["mlir-translate", "--mlir-to-llvmir", llvm], check=True, capture_output=True).stdout
        subprocess.run(["llc", "-O1", "-relocation-model=pic", "-filetype=obj", "-o", obj], input=ir, check=True)
        subprocess.run(["ld.lld", "-shared", obj, "-o", library, "/lib/x86_64-linux-gnu/libm.so.6"], check=True)
        ctypes.CDLL("libmlir_c_runner_utils.so" if not os.path.exists(RUNNER) else RUNNER, mode=ctypes.RTLD_GLOBAL)
        self.function = ctypes.CDLL(library)._mlir_ciface_train_step

    def __call__(self, given, lr):
        """given: x, y, parameters, statistics and states, in PyTorch's shapes.  -> {probe's name: values}"""
        special = {"labels": given["y"].values, "rng": [0, 0, 0, 0], "lr": [lr], "step": [1.0]}
        buffers, descriptors = [], []
        for v in self.arguments:
            if v.role in special:
                values = special[v.role]
            else:
                values = stored(v, given["x" if v.role == "input" else v.name])
            assert len(values) == count(v.shape), v
            buffers.append(array.array(CODES[v.kind], values))
        for v in self.results:
            buffers.append(array.array(CODES[v.kind], bytes(8 * count(v.shape))))
        for buffer, v in zip(buffers, self.arguments + self.results):
            descriptors.append(descriptor(buffer, v.shape))
        self.function(*(ctypes.byref(d) for d in descriptors))
        names = {"loss": "loss", "logits": "logits"}
        prefix = {"gradient": "grad.", "update": "new."}
        return {names.get(v.role) or prefix[v.role] + v.name: plain(v, b.tolist())
                for v, b in zip(self.results, buffers[len(self.arguments):])}


RUNNER = "/usr/lib/llvm-22/lib/libmlir_c_runner_utils.so"
