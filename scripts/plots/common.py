"""What the figures of all systems share: colours, style, reading curves."""

import re

import matplotlib
import matplotlib.patheffects
import numpy as np

matplotlib.use("agg")  # draws without a display

# Okabe and Ito's colours, which stay apart for all common kinds of colour blindness, and dashes for readers without colour.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
DASHES = ["-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (3, 2)), "-"]
HALO = [matplotlib.patheffects.withStroke(linewidth=2, foreground="white")]  # keeps small text readable on curves
STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "pdf.fonttype": 42,  # text stays text in a journal's hands
    "svg.fonttype": "none",
}


class WrongInput(Exception):
    """Something the user can mend; the program says it and exits with 2."""


def measure_curve(name, data):
    """(label, curve) of a measure. Of one with more axes than the step, such as layer and head: the place where it changes most."""
    label, values = name.replace("_", " "), data[:]
    if len(values) == 0 or values.ndim == 1:
        return label, values.reshape(len(values), -1)[:, :1].ravel()
    change = values.max(axis=0) - values.min(axis=0)
    place = np.unravel_index(change.argmax(), change.shape)
    axes = [data.dims[1 + i][0].name.rsplit("/", 1)[-1] for i in range(change.ndim)]
    where = ", ".join(f"{axis} {at}" for axis, at, size in zip(axes, place, change.shape) if size > 1)
    return f"{label} ({where})" if where else label, values[(slice(None), *place)]


def check_measures(path, wanted, known):
    for name in wanted:
        if name not in known:
            raise WrongInput(f"{path} has no measure '{name}'; it has: {', '.join(known)}")


def moves(curve, least=1e-6):
    """Whether it leaves its range by more than `least`, which is rounding unless said otherwise."""
    return len(curve) > 0 and np.ptp(curve) > least


def running_mean(x, width):
    """Mean over the `width` values around each, fewer at the ends."""
    total = np.convolve(x, np.ones(width), "same")
    return total / np.convolve(np.ones(len(x)), np.ones(width), "same")


def draw_train_loss(ax, step, loss):
    """Each row, pale, and their running mean."""
    if len(step):
        ax.plot(step, loss, color="0.8", lw=0.5)
        ax.plot(step, running_mean(loss, min(len(loss), max(1, len(loss) // 100))), color="0.35", label="train")


def config_value(config_yaml, key):
    """The text behind `key:` in a run's resolved config, where no key of that name stands in two places; None without one."""
    found = re.search(rf"^\s*{key}:\s*([^#\n]*?)\s*(#.*)?$", config_yaml, re.MULTILINE)
    return found and found[1]


def reference_risks(file, evalset):
    """{predictor: risk on this test set}; empty without /references."""
    group = file.get("references")
    if group is None or "risk" not in group:
        return {}
    sets = [name.decode() for name in group["evalset"][:]]
    names = [name.decode() for name in group["predictor"][:]]
    return dict(zip(names, group["risk"][sets.index(evalset)]))


def check_groups(path, file, names):
    for name in names:
        if name not in file:
            raise WrongInput(f"{path} has no /{name}: is it the run.h5 of a saltus run?")
    if len(file["eval/step"]) == 0:
        raise WrongInput(f"{path} has no evaluation yet: try again when the run has got further")


def test_set(path, file, wanted):
    """Index of the test set of that name."""
    sets = [name.decode() for name in file["eval/evalset"][:]]
    if wanted not in sets:
        raise WrongInput(f"{path} has no test set '{wanted}'; it has: {', '.join(sets)}")
    return sets.index(wanted)


def draw_losses(ax, file, evalset):
    """Loss of training and of all test sets against the logarithm of the step, beside known predictors' risks on `evalset`."""
    train, evals = file["train"], file["eval"]
    ax.plot(train["step"][:], train["loss"][:], color="0.8", lw=0.5, label="train")  # a running mean of steps means nothing on a log axis
    for i, name in enumerate(evals["evalset"][:]):
        ax.plot(evals["step"][:], evals["loss"][:, i], color=COLOURS[-1 - i], ls=DASHES[i], label=name.decode())
    for i, (name, risk) in enumerate(reference_risks(file, evalset).items()):
        ax.axhline(risk, color=COLOURS[i % 6], ls=DASHES[1 + i % 5], lw=0.9, zorder=0, label=f"{name.replace('_', ' ')} {risk:.3f}")
    ax.set_title("(a) squared error", loc="left")
    ax.set_ylabel("loss")
    ax.set_ylim(bottom=0)


def log_step_axis(axes, steps):
    """Logarithmic steps, shared by `axes`, from the first measurement after step 0."""
    first = min(steps[steps > 0], default=1)
    for ax in axes:
        ax.set_xscale("log")
        ax.set_xlim(first, max(steps[-1], 2 * first))
        ax.set_xlabel("optimizer step")
