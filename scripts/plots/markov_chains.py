"""The figure of a run of markov_chains: loss beside known predictors, divergence from each of them and so the phases, what moves inside, and
loss along a sequence."""

import h5py
import matplotlib.pyplot as plt
import numpy as np

from plots.common import (
    COLOURS,
    DASHES,
    STYLE,
    check_groups,
    check_measures,
    draw_train_loss,
    log_step_axis,
    measure_curve,
    reference_risks,
    test_set,
)

OPTIONS = {"log_step": False, "set": "iid", "measures": None}
NO_PHASE = "chain"  # knows what no model can: never drawn as a phase
BY_POSITION = "loss_by_position"


def predictors(file):
    return [name.decode() for name in file["eval/predictor"][:]]


def style_of(i):
    return {"color": COLOURS[i % 7], "ls": DASHES[i % 7]}


def draw_loss(ax, file, wanted):
    draw_train_loss(ax, file["train/step"][:], file["train/loss"][:])
    steps = file["eval/step"][:]
    for i, name in enumerate(file["eval/evalset"].asstr()[:]):
        ax.plot(steps, file["eval/loss"][:, i], color="k", ls=DASHES[i % 7], label=name.replace("_", " "))
    for i, (name, risk) in enumerate(reference_risks(file, wanted).items()):
        ax.axhline(risk, **style_of(i), lw=0.9, zorder=0, label=f"{name} {risk:.3f}")
    ax.set_ylabel("nats")


def phases(kl, names):
    """[(name, first row, last row)]: whose predictions the model's are closest to, in stretches."""
    candidates = [i for i, name in enumerate(names) if name != NO_PHASE]
    nearest = [names[candidates[i]] for i in np.argmin(kl[:, candidates], axis=1)]
    stretches = []
    for row, name in enumerate(nearest):
        if stretches and stretches[-1][0] == name:
            stretches[-1][2] = row
        else:
            stretches.append([name, row, row])
    return stretches


def draw_divergence(ax, file, which):
    steps, names = file["eval/step"][:], predictors(file)
    kl = file["eval/kl"][:, which]
    for i, name in enumerate(names):
        ax.plot(steps, kl[:, i], **style_of(i), label=name)
    for name, first, last in phases(kl, names):
        end = steps[min(last + 1, len(steps) - 1)]
        ax.axvspan(steps[first], end, color=COLOURS[names.index(name) % 7], alpha=0.12, lw=0)
    ax.set_ylabel("KL(predictor || model), nats")
    ax.set_ylim(bottom=0)


def draw_measures(ax, path, progress, wanted):
    """Of each measure the layer and head where it changes most."""
    known = [name for name, data in progress.items() if not h5py.h5ds.is_scale(data.id) and name != BY_POSITION]
    check_measures(path, wanted or [], known)
    for i, name in enumerate(wanted or known):
        label, values = measure_curve(name, progress[name])
        ax.plot(progress["step"][:], values, **style_of(i), label=label)


def draw_by_position(ax, file):
    """Of the last measurement, on the set of the progress measures, which is the first."""
    position = file["progress/position"][:] + 1
    if "references/risk_by_position" in file:
        risks = file["references/risk_by_position"][0]
        for i, name in enumerate(file["references/predictor"].asstr()[:]):
            ax.plot(position, risks[i], **style_of(i), lw=0.9, label=name)
    ax.plot(position, file["progress"][BY_POSITION][-1], color="k", lw=1.6, label="model")
    ax.set_xlabel("states seen")
    ax.set_ylabel("nats")


def draw(path, options, out):
    with h5py.File(path) as file, plt.rc_context(STYLE):
        check_groups(path, file, ("train/loss", "eval/kl", "progress/step"))
        which = test_set(path, file, options["set"])
        figure, axes = plt.subplots(4, 1, figsize=(5.5, 8), layout="constrained")
        for ax in axes[:2]:
            ax.sharex(axes[2])
            ax.tick_params(labelbottom=False)
        draw_loss(axes[0], file, options["set"])
        draw_divergence(axes[1], file, which)
        draw_measures(axes[2], path, file["progress"], options["measures"])
        draw_by_position(axes[3], file)
        named = options["set"].replace("_", " ")
        titles = (f"(a) loss; lines: known predictors on {named}", f"(b) divergence on {named}; shading: the least", "(c) what moves inside",
                  "(d) loss along a sequence, at the end")
        for ax, title in zip(axes, titles):
            ax.set_title(title, loc="left")
            ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=6)
        axes[2].set_xlabel("optimizer step")
        if options["log_step"]:
            log_step_axis(axes[:3], file["eval/step"][:])
            axes[2].set_xlabel("optimizer step")
        figure.savefig(out, dpi=200, bbox_inches="tight")
