#!/usr/bin/python3
"""Draws the result file of `saltus study`: plot_study.py studies/flow-1a2b3c4d.h5 [--out flow.pdf].

On Debian: apt-get install python3-h5py python3-matplotlib."""
import argparse
import sys

import h5py
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from plots import icl_phenomenology  # noqa: E402


def axes(columns, width=4.2, height=3.2):
    figure, panels = plt.subplots(1, columns, figsize=(width * columns, height), layout="constrained", squeeze=False)
    return figure, panels[0]


def flow(data):
    """Loss, omega and mu of every head, and the distance to the solution manifold, against time."""
    figure, (a, b, c, d) = axes(4)
    time = data["time"][1:]
    a.semilogx(time, data["loss"][1:], color="k")
    a.axhline(data["single_head_loss"][()], ls=":", color="C1", label="single head")
    a.axhline(data["loss_limit"][()], ls=":", color="C2", label="infimum, two or more heads")
    a.set(xlabel="time", ylabel="approximate loss")
    a.legend(fontsize=8)
    for panel, name, symbol in ((b, "omega", r"$\omega$"), (c, "mu", r"$\mu$")):
        for head in range(data[name].shape[1]):
            panel.semilogx(time, data[name][1:, head], color=f"C{head}", ls=["-", "--", "-.", ":"][head % 4], label=f"head {head}")
        panel.axhline(0, lw=0.5, color="k")
        panel.set(xlabel="time", ylabel=symbol)
    c.semilogx(time, data["positive_mu"][1:], color="k", lw=1, label=r"sum over $\omega > 0$")
    c.semilogx(time, data["best_positive_mu"][1:], color="k", lw=1, ls=":", label=r"best for these $\omega$")
    c.set_ylim(1.1 * data["mu"][:].min(), 1.1 * data["positive_mu"][:].max())  # the best for omega near 0 has no bound
    c.legend(fontsize=8)
    b.legend(fontsize=8)
    d.semilogx(time, data["effective_learning_rate"][1:], label=r"$\sum\omega\mu$")
    d.semilogx(time, data["zero_sum"][1:], label=r"$|\sum\mu|/\sum|\mu|$")
    d.semilogx(time, data["manifold_distance"][1:], label="distance to the manifold")
    d.set(xlabel="time", ylim=(0, 1.5))
    d.legend(fontsize=8)
    return figure


def loss_surface(data):
    """The measured loss, its approximation and their difference over omega and mu."""
    figure, panels = axes(3)
    omega, mu = data["omega"][:], data["mu"][:]
    top = np.percentile(data["loss"][:], 90)
    for panel, name in zip(panels, ("loss", "approximate_loss")):
        mesh = panel.pcolormesh(omega, mu, data[name][:].T, vmin=0, vmax=top, cmap="viridis", shading="nearest")
        panel.set(xlabel=r"$\omega$", ylabel=r"$\mu$", title=name.replace("_", " "))
        figure.colorbar(mesh, ax=panel)
    difference = data["difference"][:].T
    most = np.abs(difference).max()
    mesh = panels[2].pcolormesh(omega, mu, difference, vmin=-most, vmax=most, cmap="RdBu_r", shading="nearest")
    panels[2].set(xlabel=r"$\omega$", ylabel=r"$\mu$", title="loss - approximate loss")
    figure.colorbar(mesh, ax=panels[2])
    return figure


def saddle_flow(data):
    """The loss with theory's plateaus, and what is learned of every component."""
    figure, (a, b) = axes(2, width=5)
    time = data["time"][:]
    a.semilogx(time[1:], data["loss"][1:], color="k")
    for level in data["plateau"][:]:
        a.axhline(level, ls=":", lw=0.8, color="C3")
    a.set(xlabel="time", ylabel="loss", title="dotted: theory's plateaus")
    for i, eigenvalue in enumerate(data["component"][:]):
        b.semilogx(time[1:], data["omega_diagonal"][1:, i], label=rf"$\lambda$ = {eigenvalue:.3g}")
    b.set(xlabel="time", ylabel=r"$\Omega_{ii}$")
    b.legend(fontsize=8)
    return figure


def estimators(data):
    """Risk against context length, with exact risks as lines where they are known."""
    figure, (a,) = axes(1, width=6, height=4)
    length = data["length"][:]
    for i, name in enumerate(data["predictor"].asstr()[:]):
        a.errorbar(length, data["risk"][:, i], data["risk_standard_error"][:, i], fmt="o", ms=3, color=f"C{i}", label=name.replace("_", " "))
        a.plot(length, data["exact_risk"][:, i], color=f"C{i}", lw=0.8)
    a.set(xlabel="length of the context", ylabel="risk", yscale="log", title="points: measured; lines: exact")
    a.legend(fontsize=8)
    return figure


def saturation(data):
    """Histograms of the norm of the attention."""
    figure, (a,) = axes(1, width=6, height=4)
    for i, name in enumerate(data["case"].asstr()[:]):
        a.plot(data["norm"][:], data["density"][i], label=name)
    a.set(xlabel=r"$\|\mathrm{softmax}(s X x_q)\|_2$", ylabel="density", xlim=(0, 1))
    a.legend(fontsize=8)
    return figure


def random_features(data):
    """Test risk against the number of training sequences, a panel a target."""
    targets, models = data["target"].asstr()[:], data["model"].asstr()[:]
    figure, panels = axes(len(targets))
    for t, panel in enumerate(panels):
        for m, model in enumerate(models):
            panel.errorbar(data["n_train"][:], data["risk"][t, m], data["risk_standard_error"][t, m], marker="o", ms=3, label=model)
        panel.set(xlabel="training sequences", ylabel="test risk", xscale="log", yscale="log", title=targets[t])
    panels[0].legend(fontsize=8)
    return figure


def cost(data):
    """Parameters against heads, and milliseconds a text against its length, of each attention and of whole models."""
    figure, (a, b, c, d) = axes(4, height=4.4)
    poolings, heads, parts = data["pooling"].asstr()[:], data["n_heads"][:], list(data["part"].asstr()[:])
    dashes = dict(zip(poolings, ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1))]))  # some lines coincide
    parameters = {part: data["parameters"][:, :, i] for i, part in enumerate(parts)}
    for i, name in enumerate(poolings):
        a.loglog(heads, parameters["attention"][i], marker="o", ms=3, ls=dashes[name], label=name)
        rest = parameters["total"][i] - parameters["embedding"][i]
        b.loglog(heads, rest, marker="o", ms=3, ls=dashes[name], label=name)
    a.set(xlabel="heads", ylabel="parameters", title="the attention, without its word MLP")
    b.set(xlabel="heads", ylabel="parameters", title="the model, without its embedding")
    for panel in (a, b):
        panel.set_xticks(heads, [f"{m:g}" for m in heads])
        panel.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    length, slopes = data["length"][:], data["milliseconds_slope"][:]
    rounds, colours = data["milliseconds_of_round"][:], {}  # a pooling's is the same in both panels
    for i, label in enumerate(data["timed"].asstr()[:]):
        encoder, whole = label.startswith("encoder"), label.startswith("model")
        low, middle, high = rounds[i].min(axis=-1), data["milliseconds"][i], rounds[i].max(axis=-1)
        for panel in [panel for panel, wanted in ((c, not whole), (d, whole or encoder)) if wanted]:
            colour = "k" if encoder else colours.setdefault(label.split(": ")[-1], f"C{len(colours)}")
            name, ls = f"{label} ({slopes[i]:.2f})", "--" if encoder else "-"
            (line,) = panel.loglog(length, middle, marker="o", ms=3, color=colour, ls=ls, label=name)
            panel.fill_between(length, low, high, color=line.get_color(), alpha=0.15, lw=0)
    c.set(title="its parts (slope); bands: all rounds")
    d.set(title="whole models, and their encoder")
    for panel in (c, d):
        panel.set(xlabel="words of a text", ylabel="milliseconds a text")
        panel.set_xticks(length, [f"{n:g}" for n in length])
        panel.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    for panel in (a, b, c, d):
        panel.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.15), frameon=False)  # curves fill panels
    return figure


DRAW = {
    "icl_regression.flow": flow,
    "icl_regression.loss_surface": loss_surface,
    "icl_regression.saddle_flow": saddle_flow,
    "icl_regression.estimators": estimators,
    "icl_regression.saturation": saturation,
    "icl_regression.random_features": random_features,
    "lama.cost": cost,
    "icl_classification.landscape": icl_phenomenology.landscape,
    "icl_classification.trajectories": icl_phenomenology.trajectories,
    "icl_classification.transition_times": icl_phenomenology.transition_times,
}


def main():
    parser = argparse.ArgumentParser(prog="plot_study.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", help="the file that `saltus study` wrote")
    parser.add_argument("--out", help="picture to write, .png or .pdf (default: beside the result, .png)")
    arguments = parser.parse_args()
    try:
        with h5py.File(arguments.result) as file:
            study = file.attrs.get("study")
            if study not in DRAW:
                print(f"plot_study.py: {arguments.result} is not the result of a study that this script draws", file=sys.stderr)
                return 2
            figure = DRAW[study](next(iter(file.values())))
    except OSError as error:
        print(f"plot_study.py: cannot read {arguments.result}: {error}", file=sys.stderr)
        return 2
    out = arguments.out or arguments.result.removesuffix(".h5") + ".png"
    figure.savefig(out, dpi=150)
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
