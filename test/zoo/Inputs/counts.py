#!/usr/bin/env python3
"""Counts the parameters of the networks in examples/.
In: CNNC, the folder of EXAMPLES.
Out: a line a network, with what `cnnc show` needed in milliseconds; exit status 1 where a count is wrong or a network has none here."""
import json
import os
import subprocess
import sys
import time

COUNTS = {
    "lenet5": 61_706, "alexnet": 61_100_840, "vgg16": 138_357_544, "googlenet": 6_624_904, "resnet18": 11_689_512, "resnet34": 21_797_672,
    "resnet50": 25_557_032, "resnet20": 272_474, "resnet56": 855_770, "squeezenet": 1_235_496, "mobilenet_v2": 3_504_872,
    "densenet121": 7_978_856, "efficientnet_b0": 5_288_548, "convnext_t": 28_589_128, "wide_resnet28_10": 36_479_194, "lenet": 455_114, "fashion": 288_170,
}


def main():
    cnnc, folder = sys.argv[1:]
    wrong = []
    for name in sorted(f[:-4] for f in os.listdir(folder) if f.endswith(".cnn")):
        start = time.perf_counter()
        r = subprocess.run([cnnc, "show", os.path.join(folder, name + ".cnn"), "--json"], capture_output=True, text=True)
        ms = 1e3 * (time.perf_counter() - start)
        have = json.loads(r.stdout)["parameters"] if r.returncode == 0 else r.stderr
        print(f"{name:20} {have:>12} {ms:6.0f} ms")
        if have != COUNTS.get(name):
            wrong.append(f"{name}: {have}, expected {COUNTS.get(name)}")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
