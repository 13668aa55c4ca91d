"""Damages the files of a folder in turn: a byte changed, the end cut off, nothing left, another's name, no file at all but a folder.
In: the folder.  Out: the damage."""
import os
import shutil
import sys

folder = sys.argv[1]
files = sorted(os.path.join(folder, name) for name in os.listdir(folder))
assert len(files) >= 5
for i, path in enumerate(files):
    with open(path, "rb") as f:
        data = bytearray(f.read())
    if i % 5 == 0:
        data[-7] ^= 1
    elif i % 5 == 1:
        data = data[: len(data) // 2]
    elif i % 5 == 2:
        data = bytearray()
    elif i % 5 == 3:
        shutil.copyfile(files[i - 3], path)
        continue
    else:
        os.remove(path)
        os.mkdir(path)
        continue
    with open(path, "wb") as f:
        f.write(data)
