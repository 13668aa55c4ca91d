#!/usr/bin/env python3
"""Runs a command and asks for its exact exit status.  In: STATUS COMMAND...  Out: 0 if the command ended with it.
`--file-limit BYTES` first: no file may grow beyond it, as on a full disk."""
import resource, subprocess, sys

arguments = sys.argv[1:]
limit = None
if arguments[0] == "--file-limit":
    limit = int(arguments[1])
    arguments = arguments[2:]
run = lambda: subprocess.run(arguments[1:], preexec_fn=limit and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
result = run()
sys.stdout.buffer.write(result.stdout)
sys.stdout.flush()
if result.returncode != int(arguments[0]):
    sys.exit(f"exit status {result.returncode}, expected {arguments[0]}")
