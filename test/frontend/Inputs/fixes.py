"""Every fix that a message offers is applied to its file: the message is gone and nothing new has come, and where no mistake is left the
file is compiled to an object. Then `cnnc check --fix` does the same by itself.

In: CNNC, the folder of refusal files, one of files that `--fix` must mend wholly, a folder for the changed copies.
Out: status 1 and the fixes that do not work."""
import json
import pathlib
import subprocess
import sys

LEAST, LEAST_COMPILED = 15, 15  # so many must have been tried: a format that no longer shows them is no success


def reports(cnnc, path):
    r = subprocess.run([cnnc, "check", str(path), "-Wall", "--message-format=json"], capture_output=True, text=True)
    return [json.loads(line) for line in r.stderr.splitlines()]


def compiled(cnnc, path):
    """-> what the compiler said; empty: it made an object. A file of blocks alone has nothing to compile."""
    if "network" not in path.read_text():
        return ""
    r = subprocess.run([cnnc, str(path), "-Wnone", "--emit=obj", "-o", str(path) + ".o"], capture_output=True, text=True)
    return "" if r.returncode == 0 else r.stdout + r.stderr


def applied(text, fixes):
    lines = text.split(b"\n")
    for fix in sorted(fixes, key=lambda f: (f["line"], f["column"]), reverse=True):
        line, at = lines[fix["line"] - 1], fix["column"] - 1
        lines[fix["line"] - 1] = line[:at] + fix["replacement"].encode() + line[at + fix["length"]:]
    return b"\n".join(lines)


def by_itself(cnnc, path, copy, before):
    """-> what is wrong with `cnnc check --fix` of a copy"""
    copy.write_bytes(path.read_bytes())
    shown = subprocess.run([cnnc, "check", "-Wall", "--fix=diff", str(copy)], capture_output=True).stdout
    if copy.read_bytes() != path.read_bytes():
        return [f"{path.name}: --fix=diff has changed the file"]
    subprocess.run([cnnc, "check", "-Wall", "--fix", str(copy)], capture_output=True)
    text = copy.read_bytes()
    after = reports(cnnc, copy)
    offered = [r for r in before if any("fixes" in remark and not remark.get("changes_network") for remark in r["remarks"])]
    wrong = []
    if offered and (text == path.read_bytes() or not shown):
        wrong.append(f"{path.name}: --fix does nothing")
    if not offered and text != path.read_bytes():
        wrong.append(f"{path.name}: --fix changes what the network computes")
    if len(after) > len(before) - len(offered):
        wrong.append(f"{path.name}: --fix leaves {len(after)} messages")
    if not any(r["severity"] == "error" for r in after) and (said := compiled(cnnc, copy)):
        wrong.append(f"{path.name}: what --fix leaves does not compile: {said}")
    return wrong


def main():
    cnnc, refusals, mends, scratch = sys.argv[1], *map(pathlib.Path, sys.argv[2:])
    scratch.mkdir(parents=True, exist_ok=True)
    tried, whole, wrong = 0, 0, []
    for path in sorted(mends.glob("*.cnn")):
        copy = scratch / path.name
        copy.write_bytes(path.read_bytes())
        r = subprocess.run([cnnc, "check", "--fix", str(copy)], capture_output=True, text=True)
        if r.returncode or "error" in r.stderr or (said := compiled(cnnc, copy)):
            wrong.append(f"{path.name} is not mended: {r.stderr or said}")
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
                elif not any(r["severity"] == "error" for r in after):
                    whole += 1
                    if said := compiled(cnnc, copy):
                        wrong.append(f"{path.name}: {remark['text']}: it does not compile: {said}")
        if any("fixes" in remark for report in before for remark in report["remarks"]):
            wrong += by_itself(cnnc, path, scratch / path.name, before)
    print("\n".join(wrong))
    print(f"{tried} fixes tried, {whole} left no mistake")
    return 1 if wrong or tried < LEAST or whole < LEAST_COMPILED else 0


if __name__ == "__main__":
    sys.exit(main())
