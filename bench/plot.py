#!/usr/bin/env python3
"""Images per second against batch, depth and threads, as one SVG with a line of words for the README.

  bench/plot.py --svg docs/scaling.svg --readme README.md [--cnnc build/bin/cnnc] [--nets lenet,resnet20] [--batch 1,2,...,256]
                [--depth 20,32,56,110] [--threads 1,2] [--seconds 4]

Three panels, both axes in powers of two: the networks over the batch (one thread); ResNets of CIFAR's form, 6n+2 layers, over the depth (batch 32,
one thread); the networks over the threads (batch 128). A dashed line goes through each curve's first point as it should go on: flat over the
batch, falling with the layers, rising with the threads. The figures are kept beside the SVG, as NAME.json; --draw-only makes the picture of them anew.
With --readme the lines between `<!-- bench/plot.py -->` and `<!-- end -->` are replaced. Nothing else should run beside it."""
import argparse
import datetime
import json
import math
import os
import re
import tempfile

from measure import HERE, add_arguments, compile_net, ours

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 330, 300, 56, 14, 34, 44  # of a panel
COLOURS = ["#1b6ca8", "#c8553d", "#3a7d44", "#7d5ba6", "#b8860b"]
DEPTH_BATCH, THREADS_BATCH = "32", "128"
BEGIN, END = "<!-- bench/plot.py -->", "<!-- end -->"


def resnet_of(depth, folder):
    """nets/resnet20.cnn with n blocks a stage in place of three."""
    n, rest = divmod(depth - 2, 6)
    if rest or n < 2:
        raise SystemExit(f"a ResNet for CIFAR has 6n+2 layers, n at least 2; {depth} is none")
    with open(os.path.join(HERE, "nets", "resnet20.cnn")) as f:
        text = f.read()
    for old, new in (("network resnet20", f"network resnet{depth}"), ("repeat 3 {", f"repeat {n} {{"), ("repeat 2 {", f"repeat {n - 1} {{")):
        if old not in text:
            raise SystemExit(f"nets/resnet20.cnn has no '{old}'")
        text = text.replace(old, new)
    path = os.path.join(folder, f"resnet{depth}.cnn")
    with open(path, "w") as f:
        f.write(text)
    return path


def measure(a, folder):
    """Panels: title, the ideal power of x, and curves of (x, images a second)."""
    def speed(net, batch, threads):
        got = ours(a, compile_net(a, net, batch, folder), "train", batch, threads)
        print(f"{os.path.basename(net):16} batch {batch:>4} threads {threads:>2} {got['img_s']:9.0f} img/s", flush=True)
        return got["img_s"]
    nets, batches, threads = a.nets.split(","), a.batch.split(","), a.threads.split(",")
    return [
        {"title": "batch, 1 thread", "power": 0, "curves": {net: [(int(b), speed(net, b, 1)) for b in batches] for net in nets}},
        {"title": f"layers, batch {DEPTH_BATCH}, 1 thread", "power": -1,
         "curves": {"resnet": [(int(d), speed(resnet_of(int(d), folder), DEPTH_BATCH, 1)) for d in a.depth.split(",")]}},
        {"title": f"threads, batch {THREADS_BATCH}", "power": 1,
         "curves": {net: [(int(t), speed(net, THREADS_BATCH, t)) for t in threads] for net in nets}},
    ]


def short(value):
    return f"{value:.0f}" if value >= 1 else f"{value:g}"


def panel(p, left):
    """One plot in axes of base-2 logarithms."""
    points = [xy for curve in p["curves"].values() for xy in curve]
    ideal = {name: [(x, c[0][1] * (x / c[0][0]) ** p["power"]) for x, _ in c] for name, c in p["curves"].items()}
    ys = [y for _, y in points] + [y for c in ideal.values() for _, y in c]
    xs = sorted({x for x, _ in points})
    low, high = math.floor(math.log2(min(ys))), math.ceil(math.log2(max(ys)))
    high += high == low
    span = math.log2(xs[-1] / xs[0]) or 1

    def at(x, y):
        return (left + LEFT + (WIDTH - LEFT - RIGHT) * math.log2(x / xs[0]) / span, TOP + (HEIGHT - TOP - BOTTOM) * (high - math.log2(y)) / (high - low))

    def path(curve, style):
        return '<polyline fill="none" points="%s" %s/>' % (" ".join("%.1f,%.1f" % at(*xy) for xy in curve), style)
    out = [f'<text x="{left + LEFT}" y="18" font-weight="bold">images/s over {p["title"]}</text>']
    for power in range(low, high + 1):
        x, y = at(xs[0], 2.0 ** power)
        out.append(f'<line x1="{x:.1f}" x2="{left + WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
                   f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{short(2.0 ** power)}</text>')
    for x in xs:
        px, py = at(x, 2.0 ** low)
        out.append(f'<text x="{px:.1f}" y="{py + 16:.1f}" text-anchor="middle">{x}</text>')
    for i, (name, curve) in enumerate(p["curves"].items()):
        colour = COLOURS[i % len(COLOURS)]
        out.append(path(ideal[name], f'stroke="{colour}" stroke-dasharray="3 4" opacity="0.6"'))
        out.append(path(curve, f'stroke="{colour}" stroke-width="2"'))
        out += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (*at(*xy), colour) for xy in curve]
        out.append(f'<text x="{left + LEFT + 80 * i}" y="{HEIGHT - 8}" fill="{colour}">{name}</text>')
    return "\n".join(out)


def draw(panels):
    body = "\n".join(panel(p, i * WIDTH) for i, p in enumerate(panels))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * len(panels)} {HEIGHT}" font-family="sans-serif" font-size="12">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n')


def put_into(readme, svg, words):
    with open(readme) as f:
        text = f.read()
    block = f"{BEGIN}\n![Images a second over batch, depth and threads]({os.path.relpath(svg, os.path.dirname(readme) or '.')})\n\n{words}\n{END}"
    new, count = re.subn(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: block, text, flags=re.S)
    if count != 1:
        raise SystemExit(f"{readme} must have the lines {BEGIN} and {END} once; it has them {count} times")
    with open(readme, "w") as f:
        f.write(new)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(p, nets="lenet,resnet20", batch="1,2,4,8,16,32,64,128,256")
    p.add_argument("--depth", default="20,32,56,110")
    p.add_argument("--svg", required=True)
    p.add_argument("--readme")
    p.add_argument("--draw-only", action="store_true")
    a = p.parse_args()
    figures = os.path.splitext(a.svg)[0] + ".json"
    if a.draw_only:
        with open(figures) as f:
            kept = json.load(f)
    else:
        with open("/proc/cpuinfo") as f:
            machine = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "unknown")
        with tempfile.TemporaryDirectory() as folder:
            kept = {"date": datetime.date.today().isoformat(), "machine": machine, "cores": os.cpu_count(), "panels": measure(a, folder)}
        with open(figures, "w") as f:
            json.dump(kept, f, indent=1)
    with open(a.svg, "w") as f:
        f.write(draw(kept["panels"]))
    if a.readme:
        put_into(a.readme, a.svg, f"Training, f32, {kept['date']}, {kept['cores']} cores of {kept['machine']}; dashed: flat over the batch, 1/layers, "
                 f"linear in threads. Command: `bench/plot.py --svg {os.path.relpath(a.svg, os.path.dirname(a.readme) or '.')} --readme README.md`.")


if __name__ == "__main__":
    main()
