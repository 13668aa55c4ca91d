"""Compares checkpoints of a program of two levels and of programs for one.
In: LOW-OF-BOTH LOW HIGH-OF-BOTH HIGH.  Out: exit status 0 where the tensors of each level are the same bits, and those of the two levels are not
(they round in another order) but nearly so."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "numeric"))
import tensors

BOUND = 1e-2  # of the largest value, after some dozen steps of f32 whose roundings differ

a, b, c, d = (tensors.read(path)[0] for path in sys.argv[1:])
largest, furthest = 0.0, 0.0
for name in a:
    assert a[name].values == b[name].values and c[name].values == d[name].values, name
    largest = max(largest, max(abs(v) for v in a[name].values))
    furthest = max(furthest, max(abs(x - y) for x, y in zip(a[name].values, c[name].values)))
assert 0 < furthest < BOUND * largest, (furthest, largest)
