"""What the measuring programs of this folder share: compiling a network, running a rival, choosing its fastest form.

In: names of networks, batches, threads.  Out: the lines of JSON that trainers and baselines print, as dictionaries."""
import json
import os
import statistics
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
NETS = "mlp,lenet,vgg,resnet20,resnet18"
SEARCH_SECONDS = 2  # for each of PyTorch's forms, before its fastest is measured


def add_arguments(p, nets=NETS, batch="128", threads="1,2", seconds=4.0):
    p.add_argument("--cnnc", default="build/bin/cnnc")
    p.add_argument("--nets", default=nets)
    p.add_argument("--batch", default=batch)
    p.add_argument("--threads", default=threads)
    p.add_argument("--dtype", default="f32")
    p.add_argument("--target", default="cpu")
    p.add_argument("--seconds", type=float, default=seconds)


def add_rival_arguments(p):
    p.add_argument("--torch-python", required=True)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which starts slowly")


def json_line(command):
    """The last line that a program prints."""
    r = subprocess.run(command, capture_output=True, text=True)
    if r.returncode:
        raise SystemExit(f"{' '.join(command)}\n{r.stderr[-2000:]}")
    return json.loads(r.stdout.strip().splitlines()[-1])


def compile_net(a, net, batch, folder, *options):
    """`net`: one of bench/nets, or a path."""
    path = net if net.endswith(".cnn") else os.path.join(HERE, "nets", net + ".cnn")
    name = "-".join([os.path.basename(path)[:-len(".cnn")], str(batch)] + [o.strip("-") for o in options])
    program = os.path.join(folder, name)
    if not os.path.exists(program):
        subprocess.run([a.cnnc, path, "-Wnone", "--batch", str(batch), "--precision", a.dtype, "--target", a.target, *options, "-o", program], check=True)
    return program


def ours(a, program, what, batch, threads):
    return json_line([program, "bench", "--what", what, "--threads", str(threads), "--batch", str(batch), "--seconds", str(a.seconds), "--json"])


def torch(a, net, what, batch, threads, mode, layout, seconds=None):
    return json_line([a.torch_python, os.path.join(HERE, "torch_baseline.py"), "--net", net, "--what", what, "--mode", mode, "--layout", layout,
                      "--dtype", a.dtype, "--threads", str(threads), "--batch", str(batch), "--device", a.target, "--seconds", str(seconds or a.seconds)])


def onnxruntime(a, trainer, batch, threads):
    """Inference with the network of a trainer, as it exports it."""
    return json_line([a.torch_python, os.path.join(HERE, "onnx_baseline.py"), "--trainer", trainer, "--batch", str(batch), "--threads", str(threads),
                      "--seconds", str(a.seconds)])


def fastest_torch(a, net, what, batch, threads):
    """(mode, layout), by a short run of each."""
    forms = [(mode, layout) for mode in (("eager",) if a.no_compile else ("eager", "compile")) for layout in ("nchw", "nhwc")]
    return min(forms, key=lambda form: torch(a, net, what, batch, threads, *form, seconds=min(SEARCH_SECONDS, a.seconds))["ms"])


def in_turn(rounds, *programs):
    """Runs the programs turn and turn about: a list of dictionaries each."""
    rows = [[] for _ in programs]
    for _ in range(rounds):
        for row, program in zip(rows, programs):
            row.append(program())
    return rows


def median_ms(rows):
    return statistics.median(r["ms"] for r in rows)


def means(ratios):
    return f"geometric mean of the ratios: {statistics.geometric_mean(ratios):.2f}, least: {min(ratios):.2f}"
