"""Every fix that a message offers is applied to its file, and the result checked: the message is gone and nothing new has come.

In: CNNC, the folder of refusal files, a folder for the changed copies.
Out: status 1 and the fixes that do not work."""
import json
import pathlib
import subprocess
import sys

LEAST = 10  # so many fixes must have been tried: a format that no longer shows them is no success


def reports(cnnc, path):
    r = subprocess.run([cnnc, "check", str(path), "--message-format=json"], capture_output=True, text=True)
    return [json.loads(line) for line in r.stderr.splitlines()]


def applied(text, fixes):
    lines = text.split(b"\n")
    for fix in sorted(fixes, key=lambda f: (f["line"], f["column"]), reverse=True):
        line, at = lines[fix["line"] - 1], fix["column"] - 1
        lines[fix["line"] - 1] = line[:at] + fix["replacement"].encode() + line[at + fix["length"]:]
    return b"\n".join(lines)


def main():
    cnnc, refusals, scratch = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    scratch.mkdir(parents=True, exist_ok=True)
    tried, wrong = 0, []
    for path in sorted(refusals.glob("*.cnn")):
        before = reports(cnnc, path)
        for report in before:
            for remark in report["remarks"]:
                if "fixes" not in remark:
                    continue
                tried += 1
                copy = scratch / path.name
                copy.write_bytes(applied(path.read_bytes(), remark["fixes"]))
                after = reports(cnnc, copy)
                new = [f"{r['code']} in line {r['line']}" for r in after if r["code"] not in {b["code"] for b in before}]
                if len(after) >= len(before) or new:
                    wrong.append(f"{path.name}: {remark['text']}: {', '.join(new) or 'the message stays'}")
    print("\n".join(wrong))
    print(f"{tried} fixes tried")
    return 1 if wrong or tried < LEAST else 0


if __name__ == "__main__":
    sys.exit(main())
