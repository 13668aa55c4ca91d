#!/usr/bin/env python3
"""Bad input of every kind gets a clear message, the right exit status, and destroys nothing.
In: GROUP (compiler, data, checkpoint), CNNC, ROOT of the project, an empty FOLDER to work in.
Out: each case that went another way; exit status 1 if there is one.

A case: what is wrong, the command, its exit status, what its message must say (regular expressions, all of them).
Everywhere: no status of 126 and above (a crash or a signal), no word of MLIR's or of an assertion, an end within 10 s."""
import gzip
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys

SECONDS = 10
FOREIGN = re.compile(r"mlir|llvm|terminate called|[Aa]ssertion|Segmentation|AddressSanitizer|std::")


class Group:
    def __init__(self):
        self.wrong, self.count = [], 0

    def refuse(self, what, command, status, *says, limit=None):
        """limit: called in the child before the command starts"""
        self.count += 1
        try:
            r = subprocess.run(command, capture_output=True, timeout=SECONDS, preexec_fn=limit)
        except subprocess.TimeoutExpired:
            self.wrong.append(f"{what}: still running after {SECONDS} s")
            return
        said = r.stderr.decode(errors="replace")
        complaints = [] if r.returncode == status else [f"exit status {r.returncode}, expected {status}"]
        complaints += [f"does not say {s!r}" for s in says if not re.search(s, said)]
        complaints += [f"speaks of {m.group()}" for m in [FOREIGN.search(said)] if m]
        if complaints:
            self.wrong.append(f"{what}: {'; '.join(complaints)}\n  {' '.join(command)}\n  " + said[:1500].replace("\n", "\n  "))

    def expect(self, what, holds):
        self.count += 1
        if not holds:
            self.wrong.append(what)


def write(path, content):
    with open(path, "wb") as f:
        f.write(content.encode() if isinstance(content, str) else content)
    return path


def network(layers, input="1, 8, 8", rest=""):
    return f"network n {{\n  input({input})\n  {layers}\n}}\n{rest}"


def compiler(g, cnnc, root, folder):
    out = os.path.join(folder, "out")
    here = lambda name, content: write(os.path.join(folder, name), content)

    def bad(what, content, *says, status=1):
        g.refuse(what, [cnnc, here("bad.cnn", content), "-o", out], status, *says)
        g.expect(f"{what}: it wrote {out} all the same", not os.path.exists(out))

    g.refuse("no file", [cnnc, os.path.join(folder, "none.cnn"), "-o", out], 1, "none.cnn")
    g.refuse("a folder", [cnnc, folder, "-o", out], 1, r"error")
    g.refuse("no arguments", [cnnc], 2)
    g.refuse("an unknown option", [cnnc, "--optimise", "x.cnn"], 2, "optimise")
    good = here("good.cnn", network("dense(4) -> softmax"))
    g.refuse("no place to write", [cnnc, good, "-o", os.path.join(folder, "missing", "out")], 3, "missing")
    if os.path.exists("/dev/full"):
        g.refuse("a full device", [cnnc, good, "--emit=cnn", "-o", "/dev/full"], 3)
    bad("an empty file", "", "error")
    bad("comments alone", "# nothing\n", "error")
    bad("binary noise", bytes((i * 7919 + i // 3) % 256 for i in range(5000)), "error")
    bad("an ELF file", b"\x7fELF" + bytes(200), "error")
    bad("a kernel larger than the map", network("conv(4, 9x9) -> dense(4) -> softmax"), r"E0203", r"bad\.cnn:3:", r"\(8 - 9 \+ .*must be at least 1")
    bad("a pool larger than the map", network("maxpool(9x9) -> dense(4) -> softmax"), r"E0203", r"bad\.cnn:3:")
    bad("stride 0", network("conv(4, 3x3, stride=0) -> dense(4) -> softmax"), r"bad\.cnn:3:", "stride", "from 1|at least 1")
    bad("dilation 0", network("conv(4, 3x3, dilation=0) -> dense(4) -> softmax"), r"bad\.cnn:3:", "dilation")
    bad("a negative pad", network("conv(4, 3x3, pad=-1) -> dense(4) -> softmax"), r"bad\.cnn:3:", "pad")
    bad("no filters", network("conv(0, 3x3) -> dense(4) -> softmax"), r"bad\.cnn:3:", "filters")
    bad("a fraction of a filter", network("conv(1.5, 3x3) -> dense(4) -> softmax"), r"bad\.cnn:3:", "filters")
    bad("groups that do not divide", network("conv(6, 3x3, groups=2) -> dense(4) -> softmax", input="3, 8, 8"), r"E0204", r"bad\.cnn:3:")
    bad("10^9 filters", network("conv(1000000000, 3x3) -> dense(4) -> softmax"), r"bad\.cnn:3:")
    bad("10^9 units, twice", network("dense(16000000) -> dense(16000000) -> softmax"), r"error")
    bad("a map beyond 64 bits", network("dense(4) -> softmax", input="4000000000, 4000000000, 4000000000"), r"bad\.cnn:2:")
    bad("more memory than there is", network("repeat 40 { conv(4096, 3x3, pad=1) }\n  dense(4) -> softmax", input="3, 512, 512",
                                             rest="train { batch = 1024 }\n"), r"error")
    bad("a million layers", network("repeat 1000000 { relu }\n  dense(4) -> softmax"), r"limit")
    bad("deep brackets", "param a = " + "(" * 100000 + "1" + ")" * 100000 + "\n" + network("dense(4) -> softmax"), r"error")
    bad("deep braces", "network n {\n  input(1, 8, 8)\n" + "repeat 1 { " * 20000 + "relu" + " }" * 20000 + "\n dense(4) -> softmax }\n", r"error")
    bad("repeats of repeats", network("repeat 1000 { repeat 1000 { repeat 1000 { relu } } }\n  dense(4) -> softmax"), r"limit")
    bad("a block that uses itself", "block b() { b() }\n" + network("b()\n  dense(4) -> softmax"), r"E0311")
    bad("a file of 2 MB", "# " + "x" * 2_000_000 + "\n" + network("dense(4) -> softmax"), r"limit")
    bad("a misspelt layer", network("conf(4, 3x3) -> dense(4) -> softmax"), r"E0301", r"did you mean `?conv")
    bad("several mistakes, all of them told", network("conv(4, 9x9)\n  foo\n  dense(4, units=3) -> softmax"), r":3:", r":4:", r"[2-9] errors")
    bad("class names that do not fit", network("dense(4) -> softmax", rest='data { train = idx("a", "b")  classes = ["a", "b", "c"] }\n'), r"E0403", "3", "4")
    bad("division by zero", "param a = 1 // 0\n" + network("dense(a) -> softmax"), r"bad\.cnn:1:")
    bad("an unclosed string", 'data { root = "abc\n}\n' + network("dense(4) -> softmax"), r"bad\.cnn:1:")
    bad("a brace that is missing", "network n {\n  input(1, 8, 8)\n  dense(4) -> softmax\n", r"error")
    bad("a null byte", "network n\0 {\n}\n", r"error")
    bad("bytes that are not UTF-8", b"network n { input(1, 8, 8) dense(4) -> softmax } # \xff\xfe\n# \xc3\x28 \xff\nbad \xff", r"error")
    g.refuse("check tells the same", [cnnc, "check", here("bad.cnn", network("conv(4, 9x9)"))], 1, r"E0203")
    g.refuse("a param that the file has not", [cnnc, good, "-P", "width=3", "-o", out], 2, "width")
    g.refuse("a batch of nothing", [cnnc, good, "--batch", "0", "-o", out], 2)


def trainer_of(cnnc, source, out, *options):
    subprocess.run([cnnc, source, "-o", out, *options], check=True)
    return out


def small_data(root, folder, n=64, classes=4, side=8):
    subprocess.run([sys.executable, os.path.join(root, "test", "train", "small_data.py"), folder, "drawn", str(n), "16", str(classes), str(side), str(side)],
                   check=True)
    return folder


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def data(g, cnnc, root, folder):
    trainer = trainer_of(cnnc, os.path.join(root, "test", "train", "Inputs", "quarters.cnn"), os.path.join(folder, "trainer"))
    good, bad = small_data(root, os.path.join(folder, "good")), os.path.join(folder, "bad")
    with gzip.open(os.path.join(good, IMAGES)) as f:
        images = f.read()
    with gzip.open(os.path.join(good, LABELS)) as f:
        labels = f.read()
    with open(os.path.join(good, IMAGES), "rb") as f:
        packed = f.read()

    def spoilt(what, name, content, *says, status=3):
        shutil.rmtree(bad, ignore_errors=True)
        shutil.copytree(good, bad)
        if content is None:
            os.remove(os.path.join(bad, name))
        else:
            write(os.path.join(bad, name), content)
        g.refuse(what, [trainer, "train", "--data", bad, "--checkpoint", os.path.join(folder, "checkpoint")], status, name, *says)

    zipped = lambda content: gzip.compress(content, 1)
    spoilt("no images", IMAGES, None)
    spoilt("no labels", LABELS, None)
    spoilt("empty images", IMAGES, b"", "empty")
    spoilt("images of noise", IMAGES, bytes(i * 7919 % 256 for i in range(3000)))
    spoilt("labels where images belong", IMAGES, zipped(labels))
    spoilt("images cut short in the gzip stream", IMAGES, packed[: len(packed) // 2], "truncated|cannot be read")
    spoilt("images cut short in their data", IMAGES, zipped(images[: len(images) // 2]), "truncated")
    spoilt("a header cut short", IMAGES, zipped(images[:10]), "truncated")
    spoilt("more images than declared", IMAGES, zipped(images + b"123"), "longer")
    spoilt("a header of 2^32 images", IMAGES, zipped(struct.pack(">IIII", 0x803, 2**32 - 1, 8, 8) + images[16:]))
    spoilt("sides of 2^32", IMAGES, zipped(struct.pack(">IIII", 0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1) + images[16:]))
    spoilt("no image at all", IMAGES, zipped(struct.pack(">IIII", 0x803, 0, 8, 8)))
    spoilt("images of another size", IMAGES, zipped(struct.pack(">IIII", 0x803, 64, 4, 16) + images[16:]), "4x16", "8x8")
    spoilt("fewer labels than images", LABELS, zipped(struct.pack(">II", 0x801, 63) + labels[8:71]), "63", "64")
    spoilt("a label out of range", LABELS, zipped(labels[:20] + b"\x04" + labels[21:]), "label", "4", r"0\.\.3")
    spoilt("a label far out of range", LABELS, zipped(labels[:-1] + b"\xff"), "255")
    g.refuse("a folder that is not there", [trainer, "train", "--data", os.path.join(folder, "none")], 3, "none")
    few = small_data(root, os.path.join(folder, "few"), n=7)
    g.refuse("fewer samples than a batch", [trainer, "train", "--data", few, "--checkpoint", os.path.join(folder, "checkpoint")], 3, "7", "16")
    g.refuse("a misspelt option", [trainer, "train", "--epoch", "3"], 2, "--epochs")
    g.refuse("an unknown command", [trainer, "trian"], 2, "train")
    g.refuse("threads of 0", [trainer, "train", "--threads", "0"], 2, "threads")


def checkpoint(g, cnnc, root, folder):
    source = os.path.join(root, "test", "train", "Inputs", "quarters.cnn")
    trainer = trainer_of(cnnc, source, os.path.join(folder, "trainer"))
    images = small_data(root, os.path.join(folder, "data"))
    kept = os.path.join(folder, "checkpoint")
    last = os.path.join(kept, "last.safetensors")
    train = [trainer, "train", "--data", images, "--checkpoint", kept]
    subprocess.run(train + ["--epochs", "1"], check=True, stdout=subprocess.DEVNULL)
    with open(last, "rb") as f:
        good = f.read()
    evaluate = lambda path: [trainer, "eval", path, "--data", images]

    def spoilt(what, content, *says):
        path = write(os.path.join(folder, "bad.safetensors"), content)
        g.refuse(what, evaluate(path), 4, r"bad\.safetensors", *says)

    size = struct.unpack("<Q", good[:8])[0]
    header = good[8 : 8 + size]
    with_header = lambda text: struct.pack("<Q", len(text)) + text + good[8 + size :]
    g.refuse("no checkpoint", evaluate(os.path.join(folder, "none.safetensors")), 4, "none.safetensors")
    spoilt("an empty checkpoint", b"")
    spoilt("seven bytes", good[:7])
    spoilt("noise", bytes(i * 7919 % 256 for i in range(5000)))
    spoilt("half a checkpoint", good[: len(good) // 2])
    spoilt("a byte too many", good + b"\0")
    spoilt("a header of 2^63 bytes", struct.pack("<Q", 2**63) + good[8:])
    spoilt("a header that is no JSON", with_header(header.replace(b":", b";")))
    spoilt("a shape that does not fit", with_header(header.replace(b"[4,1,3,3]", b"[4,1,3,4]")))
    spoilt("a tensor that is missing", with_header(header.replace(b"conv1.weight", b"conv9.weight")), r"conv[19]\.weight")
    spoilt("one bit of the data", good[:-5] + bytes([good[-5] ^ 1]) + good[-4:], "checksum|damaged")
    with open(source) as f:
        text = f.read().replace("conv(4, 3x3)", "conv(5, 3x3)").replace("network quarters", "network fifths")
    other = trainer_of(cnnc, write(os.path.join(folder, "other.cnn"), text), os.path.join(folder, "other"))
    g.refuse("a checkpoint of another network", [other, "eval", last, "--data", images], 4, "fifths", r"conv1\.")
    g.refuse("resuming another network's training", [other, "train", "--data", images, "--checkpoint", kept, "--resume"], 4)
    g.refuse("a folder as checkpoint", evaluate(folder), 4)
    g.refuse("nothing to resume", [trainer, "train", "--data", images, "--checkpoint", os.path.join(folder, "new"), "--resume"], 4, "resume")
    g.refuse("a picture of noise", [trainer, "predict", last, write(os.path.join(folder, "noise.png"), b"\x89PNG\r\n\x1a\n" + bytes(100))], 3, r"noise\.png")
    g.refuse("no picture", [trainer, "predict", last, os.path.join(folder, "none.png")], 3, r"none\.png")
    g.refuse("an empty picture", [trainer, "predict", last, write(os.path.join(folder, "empty.png"), b"")], 3, "empty")
    g.refuse("a file where the folder belongs", [trainer, "train", "--data", images, "--checkpoint", last], 5)

    def full_disk():  # writes beyond the limit fail, as on a full disk
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(good) // 2, len(good) // 2))

    g.refuse("a full disk at a checkpoint", train + ["--epochs", "2", "--resume"], 5, "last|best", limit=full_disk)
    with open(last, "rb") as f:
        g.expect("the full disk cost the last good checkpoint", f.read() == good)
    g.expect(f"the full disk left {os.listdir(kept)}", all(f.endswith((".safetensors", "lock")) or f.startswith("history.") for f in os.listdir(kept)))
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            r = subprocess.run(evaluate(last), stdout=full, stderr=subprocess.PIPE)
        g.expect(f"eval > /dev/full: exit status {r.returncode}, expected 5", r.returncode == 5)


def main():
    group, cnnc, root, folder = sys.argv[1:]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    g = Group()
    {"compiler": compiler, "data": data, "checkpoint": checkpoint}[group](g, cnnc, root, folder)
    print(f"{g.count} checks, {len(g.wrong)} went another way")
    print("\n".join(g.wrong))
    return 1 if g.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
