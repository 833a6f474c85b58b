"""The figure of a run of icl_split: what the whole and each of its parts lose, what each part gets right, and the part in context's two
numbers."""

import h5py
import matplotlib.pyplot as plt

from plots.common import COLOURS, DASHES, STYLE, check_groups, check_measures, draw_train_loss, measure_curve, moves, test_set

OPTIONS = {"log_step": False, "measures": None}
MAIN_MEASURES = ["content_match", "copy_weight", "target_item_label"]
# (test set, measure, label): novel items ask for the context, contexts without the target for the weights.
ACCURACIES = [
    ("iid", "accuracy", "both, iid"),
    ("ic", "in_context_accuracy", "in context alone, novel items"),
    ("iw", "in_weights_accuracy", "in weights alone, known items"),
    ("ic2", "accuracy", "both, known items with swapped labels"),
]


def draw_losses(ax, file):
    draw_train_loss(ax, file["train/step"][:], file["train/loss"][:])
    evals, iid = file["eval"], test_set(file.filename, file, "iid")
    for i, (name, label) in enumerate({"loss": "iid", "in_context_loss": "in context alone", "in_weights_loss": "in weights alone"}.items()):
        ax.plot(evals["step"][:], evals[name][:, iid], color=COLOURS[i], ls=DASHES[i], label=label)
    ax.set_ylabel("logistic loss (nats)")
    ax.set_ylim(0, 1)  # a predictor that is confident and wrong has no bound
    ax.set_title("(a) loss on the training distribution", loc="left")


def draw_accuracies(ax, file):
    evals = file["eval"]
    for i, (evalset, name, label) in enumerate(ACCURACIES):
        ax.plot(evals["step"][:], evals[name][:, test_set(file.filename, file, evalset)], color=COLOURS[i], ls=DASHES[i], label=label)
    ax.set_ylim(-0.02, 1.02)
    ax.set_ylabel("accuracy")
    ax.set_title("(b) accuracy", loc="left")


def draw_measures(ax, file, wanted):
    """Those asked for, or else the main ones that move: a part that is left out has numbers that do not."""
    progress = file["progress"]
    curves = {name: measure_curve(name, data) for name, data in progress.items() if "CLASS" not in data.attrs}
    check_measures(file.filename, wanted or [], curves)
    for i, name in enumerate(wanted or [name for name in MAIN_MEASURES if name in curves and moves(curves[name][1])]):
        label, curve = curves[name]
        ax.plot(progress["step"][:], curve, color=COLOURS[i % 7], ls=DASHES[i % 7], label=label)
    ax.set_ylabel("value")
    ax.set_title("(c) attention's numbers", loc="left")


def draw(path, options, out):
    with h5py.File(path) as file, plt.rc_context(STYLE):
        check_groups(path, file, ("train/loss", "eval/in_context_loss", "progress/step"))
        figure = plt.figure(figsize=(7.1, 3.1), layout="constrained")
        axes = figure.subplots(1, 3)
        draw_losses(axes[0], file)
        draw_accuracies(axes[1], file)
        draw_measures(axes[2], file, options["measures"])
        for ax in axes:
            ax.set_xlabel("optimizer step")
            if options["log_step"]:
                ax.set_xscale("log")
            if ax.lines:
                ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), handlelength=2.4)
        figure.savefig(out, dpi=200, bbox_inches="tight")
