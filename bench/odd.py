#!/usr/bin/env python3
"""Times layers of odd sizes against their round neighbours: primes, 3 channels, 10 classes, maps of 7x7, 13x13, 17x17.

  bench/odd.py [--mcpu v3] [--cnnc build/bin/cnnc] [--threads 1] [--batch 32] [--only conv3x3,dense] [--dtype f32] [--rounds 3]

Both layers are measured as bench/kernels.py does it, turn and turn about. A line a pair: picoseconds a multiply-add of the definition, of the odd layer and of the
round one, and how many times longer the odd one takes, for the forward form, the input's gradient and the filter's gradient with its update. A kernel that
prepares another one counts with it. The last line names the worst ratio; exit status 1 where it passes 1.25."""
import sys
import tempfile

from kernels import CONTRACTIONS, measure, parser

BOUND = 1.25
# The odd layer and the round one: name, channels and side of the map that is read, the layer.
PAIRS = [
    (("conv3x3 61->67", 61, 16, "conv(67, 3x3, pad=1, bias=false)"), ("64->64", 64, 16, "conv(64, 3x3, pad=1, bias=false)")),
    (("conv3x3 127->131", 127, 8, "conv(131, 3x3, pad=1, bias=false)"), ("128->128", 128, 8, "conv(128, 3x3, pad=1, bias=false)")),
    (("conv3x3 31->29", 31, 16, "conv(29, 3x3, pad=1, bias=false)"), ("32->32", 32, 16, "conv(32, 3x3, pad=1, bias=false)")),
    (("conv3x3 3->61", 3, 32, "conv(61, 3x3, pad=1, bias=false)"), ("4->64", 4, 32, "conv(64, 3x3, pad=1, bias=false)")),
    (("conv3x3 64->10", 64, 16, "conv(10, 3x3, pad=1, bias=false)"), ("64->16", 64, 16, "conv(16, 3x3, pad=1, bias=false)")),
    (("conv3x3 128->128 7x7", 128, 7, "conv(128, 3x3, pad=1, bias=false)"), ("8x8", 128, 8, "conv(128, 3x3, pad=1, bias=false)")),
    (("conv3x3 64->64 13x13", 64, 13, "conv(64, 3x3, pad=1, bias=false)"), ("12x12", 64, 12, "conv(64, 3x3, pad=1, bias=false)")),
    (("conv3x3 64->64 17x17", 64, 17, "conv(64, 3x3, pad=1, bias=false)"), ("16x16", 64, 16, "conv(64, 3x3, pad=1, bias=false)")),
    (("conv5x5 31->61 13x13", 31, 13, "conv(61, 5x5, pad=2, bias=false)"), ("32->64 14x14", 32, 14, "conv(64, 5x5, pad=2, bias=false)")),
    (("conv3x3 61->127 stride 2", 61, 31, "conv(127, 3x3, stride=2, pad=1, bias=false)"), ("64->128", 64, 32, "conv(128, 3x3, stride=2, pad=1, bias=false)")),
    (("conv1x1 61->127", 61, 17, "conv(127, 1x1, bias=false)"), ("64->128", 64, 16, "conv(128, 1x1, bias=false)")),
    (("conv7x7 3->61 stride 2", 3, 63, "conv(61, 7x7, stride=2, pad=3, bias=false)"), ("4->64", 4, 64, "conv(64, 7x7, stride=2, pad=3, bias=false)")),
    (("dense 3137->127", 3137, 1, "dense(127, bias=false)"), ("3136->128", 3136, 1, "dense(128, bias=false)")),
    (("dense 509->10", 509, 1, "dense(10, bias=false)"), ("512->16", 512, 1, "dense(16, bias=false)")),
]
FORMS = ("forward", "input grad", "filter grad")


def times(kernels):
    """-> milliseconds of each form"""
    total, waiting, form = dict.fromkeys(FORMS, 0.0), 0.0, None
    for k in kernels:
        if k["layer"] != "under_test":
            continue
        multiplies = k["gflop"] > 0 and k["operation"].removeprefix("winograd_").startswith(CONTRACTIONS)
        if multiplies:
            form = FORMS[0] if k["direction"] == "forward" else FORMS[2] if "filter_grad" in k["operation"] else FORMS[1]
            total[form] += waiting + k["ms_min"]
            waiting = 0.0
        elif form == FORMS[2] and not k["operation"].endswith(("packing", "transpose")):  # ends the sums, or updates the filter
            total[form] += k["ms_min"]
        else:
            waiting += k["ms_min"]
    return total


def main():
    p = parser(__doc__)
    p.add_argument("--rounds", type=int, default=3)
    a = p.parse_args()
    print(f"{'odd layer':26} {'round neighbour':16}" + "".join(f"{f + ' ps':>15} {'round':>7} {'ratio':>6}" for f in FORMS), flush=True)
    worst = (0.0, "")
    with tempfile.TemporaryDirectory() as folder:
        for pair in PAIRS:
            if a.only and not any(pair[0][0].startswith(o) for o in a.only.split(",")):
                continue
            best = [dict.fromkeys(FORMS, float("inf")) for _ in pair]
            for _ in range(a.rounds):
                for least, (_, channels, side, layer) in zip(best, pair):
                    kernels, gflop, _ = measure(a, channels, side, layer, folder)
                    for form, ms in times(kernels).items():
                        least[form] = min(least[form], ms * 2 / gflop)  # picoseconds: 1e-3 s over 1e9 multiply-adds
            line = f"{pair[0][0]:26} {pair[1][0]:16}"
            for form in FORMS:
                odd, even = best[0][form], best[1][form]
                ratio = odd / even
                worst = max(worst, (ratio, f"{pair[0][0]}, {form}"))
                line += f"{odd:15.2f} {even:7.2f} {ratio:6.2f}"
            print(line, flush=True)
    print(f"worst: {worst[0]:.2f} times ({worst[1]})")
    return worst[0] > BOUND


if __name__ == "__main__":
    sys.exit(main())
