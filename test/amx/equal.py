#!/usr/bin/env python3
"""Compares two trainers of Inputs/shapes.cnn bit by bit.
In: trainers.  Out: the tensors that differ in a training step; exit status 1 if there are any."""
import sys
import tempfile

from compare import drawn, probe

with tempfile.TemporaryDirectory() as folder:
    one, other = (probe(trainer, drawn(), "train", "f32", folder) for trainer in sys.argv[1:])
differ = [name for name in sorted(one.keys() | other.keys()) if one[name].values != other[name].values]
print("\n".join(differ))
sys.exit(bool(differ))
