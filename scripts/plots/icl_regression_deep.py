"""The figure of a run of icl_regression_deep: loss beside known predictors' risks, and error against the number of pairs seen."""

import h5py
import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from plots.common import STYLE, check_groups, draw_losses, log_step_axis, test_set

OPTIONS = {"log_step": True, "set": "test"}
MOST_CURVES = 6


def draw_pointwise(ax, progress):
    """Error by pairs seen, at evaluations that are spread evenly over the logarithm of the step; dark is late."""
    steps, loss = progress["step"][:], progress["pointwise_loss"][:]
    wanted = np.geomspace(max(steps[min(1, len(steps) - 1)], 1), max(steps[-1], 1), MOST_CURVES - 1)
    rows = sorted({0, *(int(np.abs(steps - step).argmin()) for step in wanted)})
    for colour, row in zip(matplotlib.colormaps["viridis_r"](np.linspace(0.05, 1, len(rows))), rows):
        ax.plot(progress["n_seen"][:], loss[row], color=colour, label=f"step {steps[row]:,}")
    ax.set(xlabel="pairs seen", ylabel="loss", ylim=(0, None))
    ax.set_title("(b) error by length of the context", loc="left")


def draw(path, options, out):
    with h5py.File(path) as file, plt.rc_context(STYLE):
        check_groups(path, file, ("train/loss", "eval/loss", "progress/pointwise_loss"))
        test_set(path, file, options["set"])
        figure, axes = plt.subplots(1, 2, figsize=(7.1, 2.4), layout="constrained")
        draw_losses(axes[0], file, options["set"])
        log_step_axis(axes[:1], file["eval/step"][:])
        draw_pointwise(axes[1], file["progress"])
        for ax in axes:
            ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), handlelength=2.4, fontsize=6)
        figure.savefig(out, dpi=200, bbox_inches="tight")
