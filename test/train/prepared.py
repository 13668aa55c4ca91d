"""Compares the val loss of each epoch's line with `eval` of its checkpoint.
In: TRAINER DATA.  Out: exit status 0 where they are equal in all digits, and where epochs differ."""
import json
import subprocess
import sys

trainer, data = sys.argv[1:]


def lines(*command):
    text = subprocess.run([trainer, *command, "--data", data, "--json"], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in text.splitlines()]


for options in ([], ["--ema", "0.5"]):
    seen = []
    for epoch in range(1, 4):
        resume = ["--resume"] if epoch > 1 else []
        line = next(l for l in lines("train", "--checkpoint", "c", "--epochs", "3", "--stop-after", "1", *resume, *options) if l.get("event") == "epoch")
        result = lines("eval", "c/last.safetensors", "--split", "val")[-1]
        assert line["val"]["loss"] == result["loss"], (options, epoch, line, result["loss"])
        seen.append(result["loss"])
    assert len(set(seen)) == 3, seen
    whole = [l["val"]["loss"] for l in lines("train", "--checkpoint", "w", "--epochs", "3", *options) if l.get("event") == "epoch"]
    assert whole == seen, (whole, seen)
