"""lit's configuration: which files are tests, and the words that their RUN lines may use.
In: the environment variable CNNC_BUILD, the build directory (default: build/ beside test/).
Out: the suite `cnnc`.  `./dev test` runs it; alone: `/usr/lib/llvm-22/bin/lit -v test/numeric`."""
import importlib.util
import os
import sys

import lit.formats

root = os.path.dirname(config_dir := os.path.dirname(os.path.abspath(__file__)))
build = os.path.abspath(os.environ.get("CNNC_BUILD", os.path.join(root, "build")))
llvm = "/usr/lib/llvm-22/bin"

config.name = "cnnc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".cnn", ".mlir", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = config_dir
config.test_exec_root = os.path.join(build, "test")

# A test that hangs must not hold up the others. The longest, one epoch of lenet, takes about a minute on two cores.
lit_config.maxIndividualTestTime = 600

config.environment["PATH"] = os.pathsep.join([os.path.join(build, "bin"), llvm, os.environ.get("PATH", "")])
config.environment["CNNC_CACHE"] = os.path.join(build, "kernels")  # not the user's
config.environment["LC_ALL"] = "C.UTF-8"
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"

for word, meaning in [
    ("%cnnc", os.path.join(build, "bin", "cnnc")),
    ("%cnn-opt", os.path.join(build, "bin", "cnn-opt")),
    ("%fake-trainer", os.path.join(build, "bin", "test-trainer")),
    ("%python", sys.executable),
    ("%examples", os.path.join(root, "examples")),
    ("%bench", os.path.join(root, "bench")),
    ("%numeric", os.path.join(config_dir, "numeric")),
    ("%train", os.path.join(config_dir, "train")),
    ("%root", root),
    ("%build", build),
    ("%fashion-mnist", "/usr/share/datasets/fashion-mnist"),
]:
    config.substitutions.append((word + r"\b", meaning))

for feature, path in [
    ("fashion-mnist", "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"),
    ("fuzzers", os.path.join(build, "fuzz", "bin", "module-fuzzer")),
    ("fake-trainer", os.path.join(build, "bin", "test-trainer")),
]:
    if os.path.exists(path):
        config.available_features.add(feature)
with open("/proc/cpuinfo") as f:
    flags = f.read()
if "avx512_bf16" in flags:  # TargetInfo::dotsPairs
    config.available_features.add("bf16")
    # Before a command that runs code for AMX: what emulates the instructions where this processor lacks them.
    emulated = f"env LD_PRELOAD={build}/bin/amx-emulate.so CNN_EMULATED_CPU=amx-tile,amx-bf16"
    config.substitutions.append((r"%amx\b", "env" if "amx_bf16" in flags else emulated))
    if "amx_bf16" not in flags:
        config.available_features.add("amx-emulated")
if importlib.util.find_spec("torch") and importlib.util.find_spec("safetensors"):
    config.available_features.add("torch")
