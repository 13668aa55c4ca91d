"""Compares exported ONNX files with the trainer that wrote them, through onnxruntime. Not in the suite: it needs packages from PyPI.
In: CNNC NETWORK.cnn...; run by a Python that has numpy, onnx, onnxruntime and safetensors.
Out: a line for each network with the largest difference of logits, folded and not; exit status 1 where one is over the bound."""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file, save_file

# f32 on both sides: relative to the largest logit, or absolute below 1.
BOUND = 1e-5


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{words[:3]}: {done.stderr.strip()[:300]}")
    return done.stdout


def check(cnnc, path, folder):
    """-> the largest difference, folded and not"""
    trainer = os.path.join(folder, "trainer")
    run(cnnc, path, "--batch", "4", "-o", trainer)
    info = json.loads(run(trainer, "info", "--json"))
    rng = np.random.default_rng(7)
    dtype = np.float64 if info["precision"] == "f64" else np.float32
    x = rng.standard_normal((4, *info["input"])).astype(dtype)
    y = rng.integers(0, info["classes"], 4)
    given, out, checkpoint = (os.path.join(folder, n) for n in ("in.st", "out.st", "c.safetensors"))
    save_file({"x": x, "y": y}, given)
    run(trainer, "probe", "--in", given, "--out", out, "--mode", "train")  # statistics of batch-norms that are not 0 and 1
    state = {n[4:]: np.ascontiguousarray(t) for n, t in load_file(out).items() if n.startswith("new.")}
    save_file(state, checkpoint)
    save_file({"x": x, "y": y, **state}, given)
    run(trainer, "probe", "--in", given, "--out", out, "--mode", "eval")
    expected = load_file(out)["logits"].astype(np.float64)
    worst = []
    for fold in ([], ["--no-fold"]):
        model = os.path.join(folder, "model.onnx")
        run(trainer, "export", checkpoint, "--onnx", model, *fold)
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        differences = []
        for n in (4, 1):
            logits = session.run(["logits"], {"input": x[:n].astype(np.float32)})[0]
            differences.append(np.max(np.abs(logits - expected[:n])) / max(1, np.max(np.abs(expected[:n]))))
        worst.append(max(differences))
    return worst


def main():
    onnxruntime.set_default_logger_severity(3)
    failed = 0
    for path in sys.argv[2:]:
        name = os.path.basename(path)
        with tempfile.TemporaryDirectory() as folder:
            try:
                worst = check(sys.argv[1], path, folder)
            except Exception as e:
                print(f"{name}: {e}", flush=True)
                failed += 1
                continue
        bad = max(worst) > BOUND or any(np.isnan(worst))
        failed += bad
        print(f"{name}: {worst[0]:.1e} folded, {worst[1]:.1e} not{'  OVER' if bad else ''}", flush=True)
    print(f"{len(sys.argv) - 2 - failed} within {BOUND:g}, {failed} not")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
