"""In: the root of the sources and the folder of refusal tests.  Out: status 1 and the codes that no test produces."""
import pathlib
import re
import sys

LATER_STAGES = {"E0601", "E0602"}
declared = set(re.findall(r'DIAGNOSTIC\(\w+, "(\w+)"', (pathlib.Path(sys.argv[1]) / "compiler/support/Diagnostics.def").read_text()))
tested = {p.stem for p in pathlib.Path(sys.argv[2]).glob("*.cnn")}
missing = declared - tested - LATER_STAGES
if missing or tested - declared:
    sys.exit(f"untested: {sorted(missing)}; not declared: {sorted(tested - declared)}")
