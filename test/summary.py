"""Counts lit's results.
In: the JSON file that `lit --output` wrote.
Out: the names of failed tests and, last, "N passed, N failed"; exit status 1 where a test failed or none ran."""
import json
import sys

PASSED = {"PASS", "FLAKYPASS", "XFAIL"}
NOT_RUN = {"UNSUPPORTED", "EXCLUDED", "SKIPPED"}


def main():
    try:
        with open(sys.argv[1]) as f:
            tests = json.load(f)["tests"]
    except (OSError, ValueError, KeyError) as error:
        print(f"no results: {error}")
        print("0 passed, 1 failed")
        return 1
    passed = [t["name"] for t in tests if t["code"] in PASSED]
    left_out = [t["name"] for t in tests if t["code"] == "UNSUPPORTED"]
    failed = [t for t in tests if t["code"] not in PASSED | NOT_RUN]
    for name in left_out:
        print(f"not run here: {name}")
    for t in failed:
        print(f"{t['code'].lower()}: {t['name']}")
    print(f"{len(passed)} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
