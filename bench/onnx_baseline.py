#!/usr/bin/env python3
"""Times onnxruntime on the network of one of our trainers, as that trainer exports it.

  onnx_baseline.py --trainer ./lenet [--batch 128] [--threads 2] [--seconds 4]

Parameters are drawn at random; normalisation leaves folded into the layers before it, as `export --onnx` does. One line with the keys of
torch_baseline.py. Needs numpy and onnxruntime: VENV/bin/pip install onnxruntime."""
import argparse
import json
import os
import resource
import statistics
import struct
import subprocess
import tempfile
import time

import numpy
import onnxruntime

WARM_UP, FEWEST, MOST = 3, 5, 2000  # as torch_baseline.py


def write_parameters(path, parameters):
    """A safetensors file with a value for each parameter: small ones, variances of 1, so that no output overflows."""
    draw, header, data = numpy.random.default_rng(1), {}, b""
    for p in parameters:
        values = numpy.ones(p["shape"]) if p["kind"] == "running_var" else draw.normal(0, 0.05, p["shape"])
        raw = values.astype("<f4").tobytes()
        header[p["name"]] = {"dtype": "F32", "shape": p["shape"], "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--trainer", required=True)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seconds", type=float, default=4)
    a = p.parse_args()
    info = json.loads(subprocess.run([a.trainer, "info", "--json"], check=True, capture_output=True, text=True).stdout)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, model = os.path.join(folder, "drawn.safetensors"), os.path.join(folder, "model.onnx")
        write_parameters(checkpoint, info["parameters"])
        subprocess.run([a.trainer, "export", checkpoint, "--onnx", model], check=True, capture_output=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = a.threads, 1
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    x = numpy.random.default_rng(2).normal(size=[a.batch] + info["input"]).astype("float32")
    feed = {session.get_inputs()[0].name: x}
    start = time.perf_counter()
    session.run(None, feed)
    first = time.perf_counter() - start
    for _ in range(WARM_UP):
        session.run(None, feed)
    times, end = [], time.perf_counter() + a.seconds
    while len(times) < FEWEST or (time.perf_counter() < end and len(times) < MOST):
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
    ms = statistics.median(times) * 1e3
    print(json.dumps({"system": "onnxruntime " + onnxruntime.__version__, "what": "infer", "net": info["name"], "dtype": "f32", "device": "cpu",
                      "threads": a.threads, "batch": a.batch, "ms": round(ms, 3), "ms_min": round(min(times) * 1e3, 3),
                      "img_s": round(a.batch / ms * 1e3, 1), "first_step_s": round(first, 3), "steps": len(times),
                      "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}), flush=True)


if __name__ == "__main__":
    main()
