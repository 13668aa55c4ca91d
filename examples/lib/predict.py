#!/usr/bin/env python3
"""A network's library from Python, with nothing but ctypes.
Build: cnnc examples/lib/tiny.cnn --emit=lib -o libtiny
In: libtiny.so, a checkpoint.  Out: the probabilities of one drawn picture of each class; exit status 0 where each is recognised."""
import ctypes
import sys


class Network:
    def __init__(self, library, name, threads=0, seed=1):
        self.library, self.name = ctypes.CDLL(library), name
        for function, result, arguments in [
            ("sizes", None, [ctypes.POINTER(ctypes.c_int64)]),
            ("create", ctypes.c_int, [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_uint64]),
            ("destroy", None, [ctypes.c_void_p]),
            ("last_error", ctypes.c_size_t, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]),
            ("load", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p]),
            ("predict", ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(ctypes.c_float), ctypes.c_int64, ctypes.POINTER(ctypes.c_float)]),
            ("class_name", ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_int64]),
        ]:
            f = getattr(self.library, f"{name}_{function}")
            f.restype, f.argtypes = result, arguments
            setattr(self, "_" + function, f)
        sizes = (ctypes.c_int64 * 5)()
        self._sizes(sizes)
        self.channels, self.height, self.width, self.classes, self.batch = sizes
        self.model = ctypes.c_void_p()
        self.check(self._create(self.model, threads, seed))

    def check(self, status):
        if status:
            text = ctypes.create_string_buffer(1024)
            self._last_error(self.model, text, len(text))
            raise RuntimeError(f"{text.value.decode()} (code {status})")

    def load(self, path):
        self.check(self._load(self.model, path.encode()))

    def predict(self, pictures):
        """pictures: flat lists of channels x height x width values in 0..1 -> a list of probabilities for each"""
        x = (ctypes.c_float * (len(pictures) * self.channels * self.height * self.width))(*(v for p in pictures for v in p))
        out = (ctypes.c_float * (len(pictures) * self.classes))()
        self.check(self._predict(self.model, x, len(pictures), out))
        return [list(out[i * self.classes:(i + 1) * self.classes]) for i in range(len(pictures))]

    def __del__(self):
        self._destroy(self.model)


def drawn(net, k):
    return [0.1 + (0.5 if row * net.classes // net.height == k else 0) for row in range(net.height) for _ in range(net.width)]


net = Network(sys.argv[1], "tiny")
net.load(sys.argv[2])
answers = net.predict([drawn(net, k) for k in range(net.classes)])
for k, p in enumerate(answers):
    print(net._class_name(net.model, k).decode(), " ".join(f"{v:.4f}" for v in p))
try:
    net.load(sys.argv[0])
except RuntimeError as error:
    print("refused:", error)
sys.exit(any(p.index(max(p)) != k for k, p in enumerate(answers)))
