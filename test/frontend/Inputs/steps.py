"""The prelude's optimisers and schedules against PyTorch: 100 steps in f64, by the text that `cnnc show --json` prints.

In: CNNC, the folder of this file; with --golden also torch, which PyTorch's numbers come from.
Out: status 1 and what differs by more than 1e-6; with --golden the file steps.golden.json anew.

Each optimiser minimises sum(cos(3p) + p^2/2) from four places; its gradient is computed here and in PyTorch alike."""
import json
import math
import os
import subprocess
import sys
import tempfile

STEPS, KEPT, TOLERANCE = 100, 10, 1e-6  # the tolerance leaves room for another order of the same operations, 100 times over
START = [-2.0, -0.3, 0.4, 1.7]
EPOCHS = 12

OPTIMIZERS = {  # the language's words: PyTorch's
    "sgd(lr=0.01, momentum=0.9, weight_decay=0.1)": ("SGD", dict(lr=0.01, momentum=0.9, weight_decay=0.1)),
    "sgd(lr=0.01, momentum=0.9, nesterov=true)": ("SGD", dict(lr=0.01, momentum=0.9, nesterov=True)),
    "adam(lr=0.02, weight_decay=0.1)": ("Adam", dict(lr=0.02, weight_decay=0.1)),
    "adamw(lr=0.02, weight_decay=0.1)": ("AdamW", dict(lr=0.02, weight_decay=0.1)),
    "nadam": ("NAdam", {}),
    "nadam(lr=0.02, beta1=0.8, weight_decay=0.1, momentum_decay=0.01)": ("NAdam", dict(lr=0.02, betas=(0.8, 0.999), weight_decay=0.1, momentum_decay=0.01)),
    "adagrad": ("Adagrad", {}),
    "adagrad(lr=0.1, lr_decay=0.01, weight_decay=0.1, initial=0.5)": ("Adagrad", dict(lr=0.1, lr_decay=0.01, weight_decay=0.1, initial_accumulator_value=0.5)),
    "adadelta": ("Adadelta", dict(lr=1.0)),
    "adadelta(lr=2, rho=0.8, eps=1e-4, weight_decay=0.1)": ("Adadelta", dict(lr=2.0, rho=0.8, eps=1e-4, weight_decay=0.1)),
    "rmsprop(lr=0.01, momentum=0.5)": ("RMSprop", dict(lr=0.01, momentum=0.5)),
    "rmsprop(lr=0.01, centered=true)": ("RMSprop", dict(lr=0.01, centered=True)),
}
SCHEDULES = {  # at the beginning of each epoch; one_cycle: at each of its steps
    "constant": ("ConstantLR", dict(factor=1.0)),
    "step(3, gamma=0.5)": ("StepLR", dict(step_size=3, gamma=0.5)),
    "multistep([2, 7], gamma=0.2)": ("MultiStepLR", dict(milestones=[2, 7], gamma=0.2)),
    "exponential(0.9)": ("ExponentialLR", dict(gamma=0.9)),
    "polynomial(2)": ("PolynomialLR", dict(total_iters=EPOCHS, power=2.0)),
    "cosine": ("CosineAnnealingLR", dict(T_max=EPOCHS)),
    "cosine(floor=0.1)": ("CosineAnnealingLR", dict(T_max=EPOCHS, eta_min=0.1)),
    "one_cycle(steps=5)": ("OneCycleLR", dict(max_lr=1.0, epochs=EPOCHS, steps_per_epoch=5)),
    "one_cycle(warmup=0.4, div=10, final_div=100, steps=5)": (
        "OneCycleLR", dict(max_lr=1.0, epochs=EPOCHS, steps_per_epoch=5, pct_start=0.4, div_factor=10.0, final_div_factor=100.0)),
    "warmup(cosine, epochs=4, start=0.1)": ("warmup", {}),
    "warmup(step(3, gamma=0.5), 4)": None,  # by hand: see `expected`
}


def gradient(p):
    return p - 3 * math.sin(3 * p)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


FUNCTIONS = {**{f: getattr(math, f) for f in "exp log log1p expm1 sqrt tanh erf sin cos pow floor ceil".split()},
             "abs": abs, "min": min, "max": max, "sigmoid": sigmoid, "rsqrt": lambda x: 1 / math.sqrt(x), "sign": lambda x: (x > 0) - (x < 0)}


def shown(cnnc, train):
    with tempfile.NamedTemporaryFile("w", suffix=".cnn") as f:
        f.write("network n { input(1, 8, 8) dense(2) -> softmax }\ntrain { epochs = %d  %s }\n" % (EPOCHS, train))
        f.flush()
        return json.loads(subprocess.run([cnnc, "show", f.name, "--json"], capture_output=True, text=True, check=True).stdout)


def follow(optimizer):
    """-> the places after every tenth step"""
    places, held, kept = list(START), [dict(optimizer["initial"]) for _ in START], []
    body = [line.split(" = ", 1) for line in optimizer["body"]]
    for step in range(1, STEPS + 1):
        for i, p in enumerate(places):
            names = dict(held[i], param=p, grad=gradient(p), lr=optimizer["lr"], step=float(step))
            for name, value in body:
                names[name] = float(eval(value, {"__builtins__": {}}, {**FUNCTIONS, **names}))
            places[i] = names["param"]
            held[i] = {name: names[name] for name in held[i]}
        if step % KEPT == 0:
            kept.append(list(places))
    return kept


def factors(schedule, text):
    steps = 5 if text.startswith("one_cycle") else 1
    return [float(eval(schedule["factor"], {"__builtins__": {}}, {**FUNCTIONS, "epoch": i / steps, "epochs": float(EPOCHS)}))
            for i in range(EPOCHS * steps)]


def make_golden():
    import torch

    def run(name, arguments):
        p = torch.nn.Parameter(torch.tensor(START, dtype=torch.float64))
        optimizer, kept = getattr(torch.optim, name)([p], **arguments), []
        for step in range(1, STEPS + 1):
            p.grad = torch.tensor([gradient(v) for v in p.tolist()], dtype=torch.float64)
            optimizer.step()
            if step % KEPT == 0:
                kept.append(p.tolist())
        return kept

    def rates(name, arguments, steps):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        make = torch.optim.lr_scheduler
        if name == "warmup":
            scheduler = make.SequentialLR(optimizer, [make.LinearLR(optimizer, start_factor=0.1, total_iters=4),
                                                      make.CosineAnnealingLR(optimizer, T_max=EPOCHS - 4)], milestones=[4])
        else:
            scheduler = getattr(make, name)(optimizer, **arguments)
        out = []
        for i in range(steps):
            out.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if i + 1 < steps:
                scheduler.step()
        return out

    return {"optimizers": {text: run(*torchs) for text, torchs in OPTIMIZERS.items()},
            "schedules": {text: rates(*torchs, EPOCHS * (5 if text.startswith("one_cycle") else 1)) for text, torchs in SCHEDULES.items() if torchs}}


def main():
    cnnc, folder = sys.argv[1:3]
    path = os.path.join(folder, "steps.golden.json")
    if "--golden" in sys.argv:
        with open(path, "w") as f:
            json.dump(make_golden(), f, indent=0)
        return 0
    with open(path) as f:
        golden = json.load(f)
    golden["schedules"]["warmup(step(3, gamma=0.5), 4)"] = [0, 0.25, 0.5, 0.75] + [0.5 ** (i // 3) for i in range(EPOCHS - 4)]
    found = {"optimizers": {text: follow(shown(cnnc, "optimizer = " + text)["optimizer"]) for text in OPTIMIZERS},
             "schedules": {text: factors(shown(cnnc, "optimizer = sgd(lr=1)  schedule = " + text)["schedule"], text) for text in SCHEDULES}}
    wrong = 0
    for kind in found:
        for text, values in found[kind].items():
            flat = lambda x: sum(map(flat, x), []) if isinstance(x, list) else [x]
            worst = max(abs(a - b) for a, b in zip(flat(values), flat(golden[kind][text]), strict=True))
            if not worst <= TOLERANCE:
                print(f"{text}: differs by {worst}")
                wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
