"""The figure of a run of titans_regression: loss beside known predictors' risks, error against pairs seen, and what moves inside."""

import h5py
import matplotlib.pyplot as plt

from plots.common import COLOURS, DASHES, STYLE, check_groups, draw_losses, log_step_axis, test_set
from plots.icl_regression_deep import draw_pointwise
from plots.titans import chosen

OPTIONS = {"log_step": True, "set": "test", "measures": None}
GUIDES = ("kalman", "ridge")  # drawn beside the model's error by pairs seen


def draw_guides(ax, references, evalset):
    """What known predictors lose; the axis is logarithmic, down to a bit below the best of them."""
    names = list(references["predictor"].asstr()[:])
    for i, name in enumerate(GUIDES):
        ax.plot(references["n_seen"][:], references["pointwise_risk"][evalset, names.index(name)], color=COLOURS[1 + i],
                ls=DASHES[1 + i], label=name)
    lowest = references["pointwise_risk"][evalset, names.index("kalman")].min()
    ax.set(ylim=(max(lowest, 1e-6) / 2, 3), yscale="log")


def draw(path, options, out):
    with h5py.File(path) as file, plt.rc_context(STYLE):
        check_groups(path, file, ("train/loss", "eval/loss", "progress/pointwise_loss", "references/pointwise_risk"))
        test_set(path, file, options["set"])
        progress = file["progress"]
        curves = chosen(path, progress, options["measures"])
        figure, axes = plt.subplots(2 + bool(curves), 1, figsize=(5.5, 4.4 + 2.2 * bool(curves)), layout="constrained")
        draw_losses(axes[0], file, options["set"])
        axes[0].set_title("(a) squared error, 1 for who answers 0", loc="left")
        axes[0].set_ylim(0, 1.1)
        draw_pointwise(axes[1], progress)
        draw_guides(axes[1], file["references"], test_set(path, file, "test"))  # /progress is of that set
        for i, (label, values) in enumerate(curves.items()):
            axes[2].plot(progress["step"][:], values, color=COLOURS[i % 7], ls=DASHES[i % 7], label=label)
            axes[2].set_title("(c) measures, each over its largest value", loc="left")
        log_step_axis([ax for ax in axes if ax is not axes[1]], file["eval/step"][:])
        for ax in axes:
            ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), handlelength=2.4, fontsize=6)
        figure.savefig(out, dpi=200, bbox_inches="tight")
