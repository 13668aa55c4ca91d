#!/usr/bin/env python3
"""A campaign of one fuzzer, in rounds, so that what the parser's tables and MLIR's contexts hold is given back.

  test/fuzz/run.py FUZZER --work DIR [--seconds 60 | --runs 10000000] [--round 500000]

Seeds: test/fuzz/Inputs, examples, refusals, numeric cases, and what DIR/corpus holds already.  The dictionary is made of the grammar's words
and signs and of the names that the compiler knows.  Inputs are short in most rounds and of up to
64 KiB in some; one may take 10 s and 1 GiB; one that took longer by the clock is run again alone, and counts by its processor time.  Out:
DIR/corpus, findings in DIR/found, the executions so far in DIR/executions; exit status 1 if anything was found."""
import argparse
import glob
import os
import re
import resource
import shutil
import subprocess
import sys
import time

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECONDS, MIB = 10, 1024
LENGTHS = (128, 128, 256, 4096, 64 << 10)  # of the rounds' inputs, in turn: short ones run a hundred times as often


def dictionary():
    with open(os.path.join(root, "grammar", "Cnn.g4")) as f:
        rules = re.sub(r"//.*", "", f.read())
    words = {w for w in re.findall(r"'([^' ]+)'", rules) if re.fullmatch(r"[a-z]+|[^\w\s\"\\]{1,2}", w)}
    for name in ["compiler/prelude/prelude.cnn", "compiler/frontend/ElaborateLayers.cpp", "compiler/frontend/EntriesTrain.cpp", "compiler/frontend/EntriesData.cpp"]:
        with open(os.path.join(root, name)) as f:
            text = f.read()
        words |= set(re.findall(r"^(?:activation|optimizer|schedule) (\w+)", text, re.M)) if name.endswith(".cnn") else set(re.findall(r'"(\w+)!?"', text))
    return sorted(words | {"3x3", "in.channels", "it", "\\x0a"})


def seeds(to):
    patterns = ["test/fuzz/Inputs/*", "examples/**/*.cnn", "test/frontend/refusals/*.cnn", "test/frontend/*.cnn", "test/numeric/cases/*.cnn", "bench/nets/*.cnn"]
    for pattern in patterns:
        for path in glob.glob(os.path.join(root, pattern), recursive=True):
            if os.path.isfile(path):
                shutil.copy(path, os.path.join(to, os.path.relpath(path, root).replace("/", "_")))


def slow(fuzzer, path):
    """Does this input take its processor time, or did it only wait for a busy machine?"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    r = subprocess.run([fuzzer, path, f"-timeout={60 * SECONDS}", f"-rss_limit_mb={MIB}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS)))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.returncode != 0 or after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime > SECONDS


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("fuzzer")
    p.add_argument("--work", required=True)
    p.add_argument("--seconds", type=float)
    p.add_argument("--runs", type=int)
    p.add_argument("--round", type=int, default=500000)
    a = p.parse_args()
    if (a.seconds is None) == (a.runs is None):
        p.error("one of --seconds and --runs")
    corpus, found, seed = (os.path.join(a.work, name) for name in ("corpus", "found", "seeds"))
    for folder in (corpus, found, seed):
        os.makedirs(folder, exist_ok=True)
    seeds(seed)
    words = os.path.join(a.work, "cnn.dict")
    with open(words, "w") as f:
        f.writelines(f'"{w}"\n' for w in dictionary())
    counter, done, start = os.path.join(a.work, "executions"), 0, time.time()
    if os.path.exists(counter):
        with open(counter) as f:
            done = int(f.read())
    turn = 0
    while (a.runs is not None and done < a.runs) or (a.seconds is not None and time.time() - start < a.seconds):
        rounds = a.round if LENGTHS[turn % len(LENGTHS)] <= 256 else a.round // 20
        limit = [f"-max_total_time={max(1, int((a.seconds - (time.time() - start)) / (len(LENGTHS) - turn % len(LENGTHS))))}"] if a.runs is None else []
        r = subprocess.run([os.path.abspath(a.fuzzer), corpus, seed, f"-dict={words}", f"-artifact_prefix={found}/", f"-timeout={SECONDS}",
                            f"-rss_limit_mb={MIB}", f"-max_len={LENGTHS[turn % len(LENGTHS)]}", f"-runs={rounds}", "-entropic=0", "-print_final_stats=1", *limit],
                           cwd=a.work, stderr=subprocess.PIPE, text=True, errors="replace")
        executed = re.search(r"number_of_executed_units: (\d+)", r.stderr)
        if executed is None and r.returncode == 0:
            sys.exit("libFuzzer said nothing:\n" + r.stderr[-4000:])
        if executed:
            done += int(executed.group(1))
        else:  # it ended badly: the last count that it told
            told = re.findall(r"^#(\d+)\t", r.stderr, re.M)
            done += int(told[-1]) if told else 0
        with open(counter, "w") as f:
            f.write(str(done))
        turn += 1
        for path in glob.glob(os.path.join(found, "timeout-*")) + glob.glob(os.path.join(found, "slow-unit-*")):
            if not slow(os.path.abspath(a.fuzzer), path):
                os.remove(path)
        print(f"{done} executions, {len(os.listdir(corpus))} inputs kept, {len(os.listdir(found))} findings, {time.time() - start:.0f} s", flush=True)
        if r.returncode != 0:
            print(r.stderr[-6000:], flush=True)
            if a.seconds is not None and os.listdir(found):
                break
    return 1 if os.listdir(found) else 0


if __name__ == "__main__":
    sys.exit(main())
