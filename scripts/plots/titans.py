"""The figure of a run of a titans system: loss, accuracy, what moves inside, and how far back answers are found."""

import h5py
import matplotlib.pyplot as plt
import numpy as np

from plots.common import COLOURS, DASHES, STYLE, WrongInput, check_groups, measure_curve, test_set

OPTIONS = {"log_step": False, "set": "test", "measures": None}
MOST_CURVES = 6
SUMS = ("questions_", "correct_", "survival_", "pointwise_")  # over the questions of a bin, or drawn as a panel: no curves of their own


def chosen(path, progress, names):
    """Curves of the measures that were asked for, or of those that change most for their size. An axis is none, whatever its length."""
    known = [name for name, data in progress.items() if not h5py.h5ds.is_scale(data.id) and not name.startswith(SUMS)]
    for name in names or []:
        if name not in known:
            raise WrongInput(f"{path} has no measure '{name}'; it has: {', '.join(known)}")
    curves = {}
    for name in names or known:
        label, values = measure_curve(name, progress[name])
        size = np.nanmax(np.abs(values), initial=0)
        if np.isfinite(size) and size > 0:
            curves[label] = values / size
    by_change = sorted(curves, key=lambda label: -np.ptp(curves[label]))
    return {label: curves[label] for label in by_change[:MOST_CURVES]}


def draw_by_distance(ax, progress):
    """At the last measurement: accuracy against the tokens since the answer was written, and what each memory should have kept of it."""
    questions = progress["questions_by_distance"][-1]
    asked = questions > 0
    distance = progress["distance"][:][asked]
    if "survival_by_distance" in progress:
        survival = progress["survival_by_distance"][-1]
        for i, (layer, head) in enumerate(np.ndindex(survival.shape[:2])):
            kept = survival[layer, head][asked] / questions[asked]
            ax.plot(distance, kept, color=COLOURS[1 + i % 6], ls=DASHES[1 + i % 6], label=f"predicted survival (layer {layer}, head {head})")
    ax.plot(distance, progress["correct_by_distance"][-1][asked] / questions[asked], color=COLOURS[0], marker="o", ms=3, label="accuracy")
    ax.set_xscale("symlog", base=2, linthresh=1)
    ax.set_xticks(distance, [f"{d:g}" for d in distance])
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlabel("tokens since the answer was written, up to")


def draw(path, options, out):
    with h5py.File(path) as file, plt.rc_context(STYLE):
        check_groups(path, file, ("train/loss", "eval/accuracy", "progress/step"))
        test_set(path, file, options["set"])
        by_distance = "questions_by_distance" in file["progress"]
        figure, axes = plt.subplots(3 + by_distance, 1, figsize=(5.5, 6 + 2 * by_distance), layout="constrained")
        for ax in axes[:2]:
            ax.sharex(axes[2])
            ax.tick_params(labelbottom=False)
        axes[0].plot(file["train/step"][:], file["train/loss"][:], color="0.8", lw=0.5, label="train")
        for i, name in enumerate(file["eval/evalset"].asstr()[:]):
            for ax, measure in zip(axes, ("loss", "accuracy")):
                ax.plot(file["eval/step"][:], file["eval"][measure][:, i], color=COLOURS[i], ls=DASHES[i], label=name)
        for i, (label, values) in enumerate(chosen(path, file["progress"], options["measures"]).items()):
            axes[2].plot(file["progress/step"][:], values, color=COLOURS[i % 7], ls=DASHES[i % 7], label=label)
        if by_distance:
            draw_by_distance(axes[3], file["progress"])
        titles = ("(a) loss", "(b) accuracy", "(c) measures, each over its largest value", "(d) accuracy by distance, at the end")
        for ax, title in zip(axes, titles):
            ax.set_title(title, loc="left")
            if ax.has_data():
                ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=6)
        axes[2].set_xlabel("optimizer step")
        if options["log_step"]:
            axes[2].set_xscale("log")
        figure.savefig(out, dpi=200, bbox_inches="tight")
