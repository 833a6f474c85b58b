"""The figure of a run of a titans system: loss, accuracy, and what moves inside."""

import h5py
import matplotlib.pyplot as plt
import numpy as np

from plots.common import COLOURS, DASHES, STYLE, check_groups, measure_curve, test_set

OPTIONS = {"log_step": False, "set": "test", "measures": None}
MOST_CURVES = 6


def chosen(progress, names):
    """Curves of the measures that were asked for, or of those that change most for their size."""
    curves = {}
    for name in names or progress:
        data = progress[name]
        if name == "step" or data.shape[:1] != progress["step"].shape or name.startswith(("questions_", "correct_")):
            continue
        label, values = measure_curve(name, data)
        size = np.nanmax(np.abs(values), initial=0)
        if np.isfinite(size) and size > 0:
            curves[label] = values / size
    by_change = sorted(curves, key=lambda label: -np.ptp(curves[label]))
    return {label: curves[label] for label in by_change[:MOST_CURVES]}


def draw(path, options, out):
    with h5py.File(path) as file, plt.rc_context(STYLE):
        check_groups(path, file, ("train/loss", "eval/accuracy", "progress/step"))
        test_set(path, file, options["set"])
        figure, axes = plt.subplots(3, 1, figsize=(5.5, 6), layout="constrained", sharex=True)
        axes[0].plot(file["train/step"][:], file["train/loss"][:], color="0.8", lw=0.5, label="train")
        for i, name in enumerate(file["eval/evalset"].asstr()[:]):
            for ax, measure in zip(axes, ("loss", "accuracy")):
                ax.plot(file["eval/step"][:], file["eval"][measure][:, i], color=COLOURS[i], ls=DASHES[i], label=name)
        for i, (label, values) in enumerate(chosen(file["progress"], options["measures"]).items()):
            axes[2].plot(file["progress/step"][:], values, color=COLOURS[i % 7], ls=DASHES[i % 7], label=label)
        for ax, title in zip(axes, ("(a) loss", "(b) accuracy", "(c) measures, each over its largest value")):
            ax.set_title(title, loc="left")
            ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=6)
        axes[2].set_xlabel("optimizer step")
        if options["log_step"]:
            axes[2].set_xscale("log")
        figure.savefig(out, dpi=200, bbox_inches="tight")
