"""Checks that a profile adds up.
In: FILE (profile --json), train or infer, a Chrome trace.
Out: exit status 0 where every claim holds."""
import json
import sys

with open(sys.argv[1]) as f:
    p = json.load(f)
assert p["what"] == sys.argv[2], p["what"]
for key in ("f32_gflop_s", "f64_gflop_s", "copy_memory_gb_s", "copy_last_cache_gb_s", "copy_cache_gb_s"):
    assert p["peak"][key] > 0, key
near = lambda a, b: abs(a - b) <= 1e-9 + 1e-6 * abs(b)
total = sum(k["ms"] for k in p["kernels"])
assert p["kernels"] and near(total, p["kernels_ms"]), (total, p["kernels_ms"])
assert near(total, sum(l["total"]["ms"] for l in p["layers"]))
assert near(total, sum(d["ms"] for d in p["directions"].values()))
assert near(p["kernels_ms"] + p["not_in_kernels_ms"], p["step_ms"])
assert p["not_in_kernels_ms"] >= 0
expected = {"forward", "backward", "update"} if p["what"] == "train" else {"forward"}
assert set(p["directions"]) == expected, p["directions"].keys()
for k in p["kernels"]:
    assert k["ms_min"] <= k["ms"] * (1 + 1e-9), k
    assert near(k["gflop_s"] * k["ms"] * 1e-3, k["gflop"]), k
if len(sys.argv) > 3:
    with open(sys.argv[3]) as f:
        events = [e for e in json.load(f)["traceEvents"] if e["ph"] == "X"]
    assert len(events) == len(p["kernels"]), len(events)
    for before, after in zip(events, events[1:]):
        assert before["ts"] + before["dur"] <= after["ts"] + 1e-3, (before, after)
