"""Compiles a network by rule, with --tune, and once more with what that has found.
In: CNNC, SOURCE, an empty FOLDER.  Out: exit status 1 and what is not as it should be."""
import filecmp
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "numeric"))
import tensors

BATCH, IMAGE = 8, [16, 13, 13]


def main():
    cnnc, source, folder = sys.argv[1:4]
    environment = {**os.environ, "CNNC_CACHE": os.path.join(folder, "cache")}
    given = os.path.join(folder, "in.st")
    x = tensors.draw("tune", "x", [BATCH, *IMAGE], -1.0, 1.0)
    tensors.write(given, {"x": x, "y": tensors.draw_labels("tune", BATCH, 10)}, dtype="F32")

    def compiled(name, *options):
        path = os.path.join(folder, name)
        r = subprocess.run([cnnc, source, *options, "-o", path], env=environment, capture_output=True, text=True)
        assert r.returncode == 0, r.stderr
        subprocess.run([path, "probe", "--in", given, "--out", path + ".st"], check=True)
        return r.stderr

    def remembered():
        (path,) = glob.glob(os.path.join(environment["CNNC_CACHE"], "tuned-*.txt"))
        return path

    compiled("rule")
    said = compiled("tuned", "--tune")
    measured, changed = map(int, re.search(r"tuned (\d+) kernels, (\d+) got", said).groups())
    assert measured >= 8, said
    with open(remembered()) as f:
        lines = f.read().splitlines()
    assert len(lines) == measured, lines
    assert sum("=" in line for line in lines) == changed, lines
    assert "tuned 0 kernels" in compiled("again", "--tune")

    # Every knob at another value than the rule's, and lines that are none: the program is another, its results are not.
    values = "pixels=6 unroll=2 grad_cells=6 grad_pixels=64 winograd_groups=2 winograd_tiles=24"
    with open(remembered(), "w") as f:
        f.write("".join(f"{line.split()[0]} {values}\n" for line in lines) + "nonsense pixels\n pixels=x\ncnn_kernel_0 size=3\n")
    compiled("other")
    assert not filecmp.cmp(os.path.join(folder, "rule"), os.path.join(folder, "other"), shallow=False), "the choice is not used"
    for name in ("tuned", "again", "other"):
        assert filecmp.cmp(os.path.join(folder, "rule.st"), os.path.join(folder, name + ".st"), shallow=False), f"{name}: other bits"


if __name__ == "__main__":
    main()
