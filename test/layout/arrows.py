#!/usr/bin/env python3
"""The house rules that a program can check: who includes whom, how long files are, that every folder of tests has tests.
In: ROOT of the project.
Out: every line that breaks a rule, files of over 300 lines as a warning; exit status 1 where a rule is broken."""
import os
import re
import sys

# A room and the rooms that it may include. compiler/README.md draws the same picture.
# One header alone is written ROOM/FILE: Network is the handshake of the front end, abi.h that of the runtime.
ARROWS = {
    "support": [],
    "shape": ["support"],
    "frontend": ["support", "shape", "prelude"],
    "prelude": [],
    "lsp": ["support", "frontend"],
    "dialect": ["support", "shape"],
    "irgen": ["support", "shape", "dialect", "frontend/Network.h"],
    "target": [],
    "transforms": ["support", "shape", "target", "dialect"],
    "conversion": ["support", "shape", "dialect"],
    "kernels": ["support", "target", "dialect", "conversion", "runtime/abi.h"],
    "pipeline": ["support", "target", "dialect", "transforms", "conversion", "kernels"],
    "codegen": ["support", "target", "dialect", "kernels", "pipeline", "frontend/Network.h", "runtime/abi.h"],
    "driver": ["support", "shape", "target", "frontend", "lsp", "dialect", "irgen", "transforms", "conversion", "kernels", "pipeline", "codegen"],
    "runtime": [],
}
# Rooms that do not know MLIR or LLVM.
PLAIN = {"support", "shape", "target", "frontend", "prelude", "runtime"}
SOURCES = (".cpp", ".h", ".td", ".c", ".g4", ".py", ".sh", ".cmake")
LONG, TOO_LONG = 300, 500
# Generated from the grammar.
ANTLR = re.compile(r"^(antlr4-runtime\.h|Cnn(Lexer|Parser|Visitor|BaseVisitor|Listener|BaseListener)\.h)$")
ANTLR_FILES = ("compiler/frontend/Parse.cpp", "compiler/frontend/SyntaxErrors.h", "compiler/frontend/SyntaxErrors.cpp")
# Where somebody's own machine shows: absolute paths of working and home folders.
PRIVATE = re.compile(r"(?<![\w.%}])/(" + "|".join(("wo" + "rk/", "ro" + r"ot/\.", "ho" + "me/")) + r")\w")
INCLUDE = re.compile(r'^\s*#?\s*include\s+["<]([^">]+)[">]')
TEST_SUFFIXES = (".cnn", ".mlir", ".test")


def project_files(root):
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith(("build", ".git")) and f != "__pycache__")
        for name in sorted(f for f in files if f != ".git"):
            yield os.path.relpath(os.path.join(folder, name), root)


def room_of(path):
    parts = path.split("/")
    if parts[0] == "compiler" and len(parts) > 2:
        return parts[1]
    return "runtime" if parts[0] == "runtime" and len(parts) > 1 else None


def may(room, path):
    """May `room` include `path`?"""
    target = room_of(path)
    return target == room or target in ARROWS[room] or any(path.endswith(one) for one in ARROWS[room] if "/" in one)


def check_include(room, path):
    """-> what is wrong, or None"""
    if path.startswith(("compiler/", "runtime/")):
        return None if may(room, path) else f"{room} must not include {path}"
    if path.startswith(("mlir/", "llvm/", "llvm-c/", "mlir-c/")) and room in PLAIN:
        return f"{room} does not know MLIR: {path}"
    if ANTLR.match(path):
        return None if room == "frontend" else f"{room} does not know ANTLR: {path}"
    return None


def check_source(path, lines):
    """-> complaints about one file of a room"""
    room = room_of(path)
    if room is None:
        return []
    if room not in ARROWS:
        return [f"compiler/{room}: a room without a line in test/layout/arrows.py"]
    found = []
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        wrong = None
        if match:
            wrong = check_include(room, match.group(1))
            if '"' in line and "/" not in match.group(1) and not ANTLR.match(match.group(1)):
                wrong = f"write {match.group(1)} from the repository's root"
        elif os.path.basename(path) == "CMakeLists.txt":
            linked = [r for r in re.findall(r"\bcnnc_(\w+)", line) if r in ARROWS]
            bad = [r for r in linked if r != room and r not in {one.split("/")[0] for one in ARROWS[room]}]
            wrong = f"{room} must not link {', '.join(bad)}" if bad else None
        if wrong:
            found.append(f"{path}:{number}: {wrong}")
    return found


def check_tests(root, paths):
    """-> complaints about folders without tests and tests without a RUN line"""
    found, folders = [], {}
    for path in paths:
        parts = path.split("/")
        if parts[0] != "test" or len(parts) < 3 or "Inputs" in parts:
            continue
        folders.setdefault(parts[1], 0)
        if path.endswith(TEST_SUFFIXES):
            folders[parts[1]] += 1
            with open(os.path.join(root, path), errors="replace") as f:
                if "RUN:" not in f.read():
                    found.append(f"{path}: a test without a RUN line")
    return found + [f"test/{name}: a folder without tests" for name, tests in folders.items() if not tests]


def main():
    root = sys.argv[1]
    paths, complaints, antlr = list(project_files(root)), [], []
    for path in paths:
        try:
            with open(os.path.join(root, path), encoding="utf-8") as f:
                lines = f.read().splitlines()
        except UnicodeDecodeError:
            continue
        complaints += check_source(path, lines)
        complaints += [f"{path}:{n}: somebody's own path" for n, line in enumerate(lines, 1) if PRIVATE.search(line)]
        if any((m := INCLUDE.match(line)) and ANTLR.match(m.group(1)) for line in lines):
            antlr.append(path)
        if path.endswith(SOURCES):
            if len(lines) > TOO_LONG:
                complaints.append(f"{path}: {len(lines)} lines; more than {TOO_LONG} are two rooms")
            elif len(lines) > LONG:
                print(f"warning: {path}: {len(lines)} lines")
    if outside := [p for p in antlr if p.replace(os.sep, "/") not in ANTLR_FILES]:
        complaints.append(f"ANTLR stays inside {' '.join(ANTLR_FILES)}: {', '.join(outside)}")
    complaints += check_tests(root, paths)
    print("\n".join(dict.fromkeys(complaints)))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
