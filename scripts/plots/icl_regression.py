"""The figure of a run of icl_regression: loss beside known predictors' risks, omega and mu of each head with the values that theory
expects, pattern measures, and the heads' circuits KQ and OV at the end and on the way."""

import h5py
import matplotlib.colors
import matplotlib.pyplot as plt
import numpy as np

from plots.common import (
    COLOURS,
    DASHES,
    STYLE,
    WrongInput,
    check_groups,
    config_value,
    draw_losses,
    log_step_axis,
    measure_curve,
    test_set,
)

OPTIONS = {"log_step": True, "measures": None, "set": "test"}
MAIN_MEASURES = ["kq_diagonal_ratio_mean", "ov_last_ratio_mean", "zero_sum", "effective_learning_rate", "support_residual"]
MOST_HEADS = 4  # whose circuits are drawn
STRIP_STEPS = [1, 1000, 2000, 10000]  # and the last: where circuits are drawn on the way
USELESS = {"facecolor": "0.92", "edgecolor": "0.75", "hatch": "////", "lw": 0}


class Circuits:
    """KQ [head, D, D] and OV [head, N, D] at a run's snapshots, from the parameters they are products of."""

    def __init__(self, file):
        self.weights = file["weights"]
        self.steps = self.weights["ckpt_step"][:]
        output = self.weights["W_OV" if "W_OV" in self.weights else "W_O"]  # [ckpt, layer, head, task, ...]
        self.n_heads, self.n_tasks, self.n_features = output.shape[2], output.shape[3], output.shape[4]
        self.input_dim = self.n_features - self.n_tasks

    def weight(self, name, row):
        return self.weights[name][row, 0].astype(float)

    def kq(self, row):
        """With the last columns masked: they meet the query's zero labels, and training leaves them where they began."""
        if "W_KQ" in self.weights:
            kq = self.weight("W_KQ", row)
        else:
            kq = self.weight("W_K", row).swapaxes(1, 2) @ self.weight("W_Q", row) / np.sqrt(self.n_features)
        kq = np.ma.array(kq, mask=np.zeros(kq.shape, bool))
        kq[:, :, self.input_dim :] = np.ma.masked
        return kq

    def ov(self, row):
        return self.weight("W_OV", row) if "W_OV" in self.weights else self.weight("W_O", row) @ self.weight("W_V", row)

    def strip_rows(self):
        """Snapshots nearest to STRIP_STEPS, on a logarithmic scale, and the last; each once, in order."""
        wanted = [step for step in STRIP_STEPS if step < self.steps[-1]]
        near = [int(np.abs(np.log(np.maximum(self.steps, 0.5) / step)).argmin()) for step in wanted]
        return sorted({*near, len(self.steps) - 1})


def guides(file, final_gamma):
    """{"omega": [(value, label)], "mu": ...} that theory expects of one task with isotropic covariates under softmax; else empty.

    One head: the minimum of the approximate loss, omega = 1 / sqrt(d), mu = sqrt(d) / (1 + c d e). More heads: a point of the
    solution manifold, given |omega| = gamma: the mu of each sign sum to (gamma / 2) / (gamma^2 + c sinh(d gamma^2))."""
    text = str(file.attrs.get("config_yaml", ""))
    told = {key: config_value(text, key) for key in ("n_heads", "attention", "covariance", "input_dim", "n_context", "noise_std", "beta_std")}
    if (told["attention"], told["covariance"], told["beta_std"]) != ("softmax", "isotropic", "null") or "omega" not in file["progress"]:
        return {"omega": [], "mu": []}
    d, c = float(told["input_dim"]), (1 + float(told["noise_std"]) ** 2) / float(told["n_context"])
    single = {"omega": [(1 / np.sqrt(d), "one head, theory")], "mu": [(np.sqrt(d) / (1 + c * d * np.e), "one head, theory")]}
    if int(told["n_heads"]) == 1:
        return single
    sum_of_one_sign = final_gamma / 2 / (final_gamma**2 + c * np.sinh(d * final_gamma**2))
    return {"omega": [(final_gamma, r"$\pm\gamma$, mean $|\omega|$ at the end")], "mu": [(sum_of_one_sign, r"$\pm\mu_\gamma$ for that $\gamma$")]}


def final_gamma(progress):
    """Mean |omega| of the heads that are no dummies, at the end; NaN for several tasks."""
    if "omega" not in progress:
        return np.nan
    working = progress["dummy"][-1] < 0.5
    return np.abs(progress["omega"][-1])[working].mean() if working.any() else np.nan


def draw_guides(ax, lines):
    for value, label in lines:
        if np.isfinite(value):
            ax.axhline(value, color="0.45", lw=0.8, ls=(0, (4, 2)), zorder=0, label=label)
            ax.axhline(-value, color="0.45", lw=0.8, ls=(0, (4, 2)), zorder=0)
    ax.margins(y=0.08)


def draw_heads(ax, progress, name):
    """[step, head] a line a head; [step, head, input or task] also one dash pattern a head, with a line for every entry."""
    values = progress[name][:]
    for h in range(values.shape[1]):
        lines = ax.plot(progress["step"][:], values[:, h], color=COLOURS[h % 7], ls=DASHES[h % 7], lw=1.3 if values.ndim == 2 else 0.8)
        lines[0].set_label(f"head {h}")
    ax.axhline(0, color="0.8", lw=0.5, zorder=0)


def draw_omega_mu(axes, file):
    progress = file["progress"]
    several = "omega" not in progress
    theory = guides(file, final_gamma(progress))
    draw_heads(axes[0], progress, "kq_diagonal" if several else "omega")
    draw_guides(axes[0], theory["omega"])
    axes[0].set_ylabel(r"$\omega^h$" + (" of each coordinate" if several else ""))
    axes[0].set_title(r"(b) $\omega$: diagonal of KQ" + ("" if several else ", mean"), loc="left")
    draw_heads(axes[1], progress, "ov_task" if several else "mu")
    if not several and progress["mu"].shape[1] > 2:
        mu = progress["mu"][:]
        axes[1].plot(progress["step"][:], np.maximum(mu, 0).sum(axis=1), color="0.3", lw=0.8, label="sum of one sign")
        axes[1].plot(progress["step"][:], np.minimum(mu, 0).sum(axis=1), color="0.3", lw=0.8)
    draw_guides(axes[1], theory["mu"])
    axes[1].set_ylabel(r"$\mu^h$" + (" of each task" if several else ""))
    axes[1].set_title(r"(c) $\mu$: weight of the label in OV", loc="left")


def measure_curves(path, progress, wanted):
    """[(label, curve)] of the measures to show. Without a wish also the distance from debiased gradient descent, over the answers' power."""
    known = [name for name, data in progress.items() if "CLASS" not in data.attrs]
    for name in wanted or []:
        if name not in known:
            raise WrongInput(f"{path} has no measure '{name}'; it has: {', '.join(known)}")
    curves = [measure_curve(name, progress[name]) for name in wanted or MAIN_MEASURES if name in known]
    for name in () if wanted else ("distance_to_dgd", "distance_to_gd"):
        if name in known:
            power = np.maximum(progress["prediction_power"][:], 1e-30)
            curves.append((f"{name.replace('_', ' ')}, relative", progress[name][:] / power))
    return curves


def draw_measures(ax, steps, curves):
    for i, (label, curve) in enumerate(curves):
        ax.plot(steps, curve, color=COLOURS[i % 7], ls=DASHES[i % 7], label=label.removesuffix(" mean"))
    # Before heads have a direction some measures are far out; what is to be read lies between 0 and 1.
    ax.set_ylim(-0.05, 1.25)
    ax.set_title("(d) pattern measures", loc="left")
    ax.set_ylabel("measure")


def symmetric(arrays):
    """One scale for all of them, symmetric about 0, white at 0."""
    top = max(float(np.ma.abs(a).max()) for a in arrays)
    return matplotlib.colors.Normalize(-top or -1, top or 1)


def draw_map(ax, matrix, norm):
    useless = np.ma.getmaskarray(matrix)
    if useless.any():
        first = np.flatnonzero(useless.all(axis=0))[0]
        ax.add_patch(plt.Rectangle((first - 0.5, -0.5), matrix.shape[1] - first, matrix.shape[0], zorder=0, **USELESS))
    ax.spines[:].set_visible(True)
    ax.set_xticks([])
    ax.set_yticks([])
    return ax.imshow(matrix, cmap="RdBu_r", norm=norm, aspect="equal", zorder=1)


def draw_last(figure, circuits):
    """KQ and OV of each head at the last snapshot."""
    row, heads = len(circuits.steps) - 1, min(circuits.n_heads, MOST_HEADS)
    kq, ov = circuits.kq(row)[:heads], circuits.ov(row)[:heads]
    axes = figure.subplots(2, heads, squeeze=False, height_ratios=[circuits.n_features, circuits.n_tasks])
    norms = symmetric([kq]), symmetric([ov])
    for h in range(heads):
        images = draw_map(axes[0, h], kq[h], norms[0]), draw_map(axes[1, h], ov[h], norms[1])
        axes[0, h].set_title(f"head {h}")
    axes[0, 0].set_ylabel("KQ\nkey feature")
    axes[1, 0].set_ylabel("OV", rotation=0, ha="right", va="center")
    figure.colorbar(images[0], ax=axes[0, :], pad=0.02, aspect=12, label="KQ")
    figure.colorbar(images[1], ax=axes[1, :], pad=0.02, aspect=3, ticks=[norms[1].vmin, norms[1].vmax], format="%.2g")
    more = f", {heads} of {circuits.n_heads} heads" if heads < circuits.n_heads else ""
    figure.suptitle(f"(e) circuits at step {circuits.steps[row]:,}{more} (hatched: without effect)", x=0.01, ha="left", fontsize=8)


def draw_strip(figure, circuits):
    """KQ of each head over the snapshots, on one scale."""
    rows, heads = circuits.strip_rows(), min(circuits.n_heads, MOST_HEADS)
    maps = [circuits.kq(row)[:heads] for row in rows]
    axes = figure.subplots(heads, len(rows), squeeze=False)
    norm = symmetric(maps)
    for column, (row, kq) in enumerate(zip(rows, maps)):
        axes[0, column].set_title(f"step {circuits.steps[row]:,}")
        for h in range(heads):
            image = draw_map(axes[h, column], kq[h], norm)
    for h in range(heads):
        axes[h, 0].set_ylabel(f"head {h}")
    figure.colorbar(image, ax=axes, pad=0.02, shrink=0.9, label="KQ")
    figure.suptitle("(f) KQ on the way", x=0.01, ha="left", fontsize=8)


def draw(path, options, out):
    with h5py.File(path) as file, plt.rc_context(STYLE):
        check_groups(path, file, ("train/loss", "eval/loss", "progress/step", "weights/ckpt_step"))
        test_set(path, file, options["set"])
        steps, circuits = file["progress/step"][:], Circuits(file) if len(file["weights/ckpt_step"]) else None
        curves = measure_curves(path, file["progress"], options["measures"])
        heads = min(circuits.n_heads, MOST_HEADS) if circuits else 0
        heights = [4.8, *([2.1, 0.4 + 0.95 * heads] if circuits else [])]
        figure = plt.figure(figsize=(7.1, sum(heights)), layout="constrained")
        parts = np.atleast_1d(figure.subfigures(len(heights), 1, height_ratios=heights))
        axes = parts[0].subplots(2, 2).ravel()
        draw_losses(axes[0], file, options["set"])
        draw_omega_mu(axes[1:3], file)
        draw_measures(axes[3], steps, curves)
        log_step_axis(axes, steps)
        for ax in axes:
            ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), handlelength=2.4, fontsize=6)
        if circuits:
            spare = MOST_HEADS - heads
            left = parts[1].subfigures(1, 2, width_ratios=[heads + 0.5, spare])[0] if spare else parts[1]  # maps of one size, from the left
            draw_last(left, circuits)
            draw_strip(parts[2], circuits)
        figure.savefig(out, dpi=200, bbox_inches="tight")
