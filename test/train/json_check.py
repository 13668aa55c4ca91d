#!/usr/bin/env python3
"""Checks values of a JSON object.
In: standard input, one object over many lines, or lines of which the last one counts; arguments, each KEY, KEY=TEXT, KEY>=NUMBER or KEY<=NUMBER.
Out: the input; exit status 1 and the first check that fails."""
import json
import re
import sys


def main():
    text = sys.stdin.read().strip()
    if not text:
        sys.exit("nothing on standard input")
    print(text[-2000:])
    got = json.loads(text if text.startswith("{\n") else text.splitlines()[-1])
    for check in sys.argv[1:]:
        key, relation, wanted = re.fullmatch(r"(\w+)(>=|<=|=)?(.*)", check).groups()
        value = got.get(key)
        good = value is not None and (not relation or (relation == "=" and str(value) == wanted)
                                      or (relation == ">=" and value >= float(wanted)) or (relation == "<=" and value <= float(wanted)))
        if not good:
            sys.exit(f"{check} does not hold: {key} is {value}")


if __name__ == "__main__":
    main()
