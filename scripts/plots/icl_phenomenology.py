"""Figures of the studies of three nested logits: the loss over (xi, alpha) with gradient flow on it, the logits and progress measures
against time, and the time of the jump against the number of pairs."""

import matplotlib.pyplot as plt
import numpy as np

from plots.common import COLOURS, DASHES, HALO, STYLE

LOGITS = [("xi", r"$\xi$"), ("alpha", r"$\alpha$"), ("beta_1", r"$\beta_1$")]
MEASURES = [
    ("right_label", r"accuracy ($P_+$)"),
    ("context_label_mass", "CLA"),
    ("target_item_label", r"TILA$_2$"),
    ("item_label", r"ILA$_1$"),
]


def draw_landscape(ax, data, l, b, levels):
    """One landscape with its paths; at the origin an arrow downhill, or a circle where it is flat."""
    xi, alpha = data["xi"][:], data["alpha"][:]
    surface = data["loss"][l, b].T
    mesh = ax.pcolormesh(xi, alpha, surface, vmin=levels[0], vmax=levels[-1], cmap="viridis", shading="nearest", rasterized=True)
    ax.contour(xi, alpha, surface, levels=levels, colors="white", linewidths=0.4, alpha=0.7)
    for x, y in zip(data["path_xi"][l, b], data["path_alpha"][l, b]):
        ax.plot(x, y, color=COLOURS[1], lw=1.5)
        ax.plot(x[0], y[0], "o", ms=2.5, color=COLOURS[1])
    slope = data["origin_slope"][l, b]
    if np.any(slope):
        length = 0.14 * (xi[-1] - xi[0])
        ax.annotate("", slope / np.linalg.norm(slope) * length, (0, 0), arrowprops={"arrowstyle": "-|>", "color": "k", "lw": 1.2})
        text = rf"slope {np.linalg.norm(slope):.2g}"
    else:
        ax.plot(0, 0, "o", ms=7, mfc="none", mec="k", mew=1.2)
        text = "saddle"
    ax.annotate(text, (0, 0), xytext=(6, -9), textcoords="offset points", fontsize=7, path_effects=HALO)
    ax.set(xlim=(xi[0], xi[-1]), ylim=(alpha[0], alpha[-1]))
    ax.spines[:].set_visible(False)
    return mesh


def landscape(data):
    """A row for every beta_1, a column for every number of labels."""
    labels, betas, n = data["n_labels"][:], data["beta_1"][:], int(data["n_pairs"][()])
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(betas), len(labels), figsize=(0.9 + 2.6 * len(labels), 0.3 + 2.1 * len(betas)), layout="constrained", squeeze=False, sharex=True, sharey=True
        )
        levels = np.linspace(0, np.percentile(data["loss"][:], 99), 15)
        for b, beta_1 in enumerate(betas):
            for l, count in enumerate(labels):
                ax = axes[b, l]
                mesh = draw_landscape(ax, data, l, b, levels)
                relation = "L > N" if count > n else "L = N"
                ax.set_title(rf"({'abcdefghijklmnop'[b * len(labels) + l]}) ${relation}$: $L$ = {count:g}, $N$ = {n}; $\beta_1$ = {beta_1:g}", loc="left")
                if b == len(betas) - 1:
                    ax.set_xlabel(r"classifier's alignment $\xi$")
                if l == 0:
                    ax.set_ylabel(r"layer 2's logit $\alpha$")
        figure.colorbar(mesh, ax=axes, label="loss (nats)", extend="max", pad=0.02, aspect=30)
    return figure


def draw_case(upper, lower, data, i):
    """Logits and loss above, measures below, against time."""
    time, jump = data["time"][i], data["transition_time"][i]
    for k, (name, symbol) in enumerate(LOGITS):
        upper.plot(time, data[name][i], color=COLOURS[k], ls=DASHES[k], label=symbol)
    upper.plot(time, data["loss"][i], color="k", lw=1, label="loss")
    for k, (name, label) in enumerate(MEASURES):
        lower.plot(time, data[name][i], color=COLOURS[(k + 3) % 7], ls=DASHES[k], label=label)
    for ax in (upper, lower):
        if np.isfinite(jump):
            ax.axvline(jump, color="0.6", lw=0.7, zorder=0)
        ax.set_xlim(time[0], time[-1])
    end = np.max([data[name][i] for name, _ in LOGITS] + [data["loss"][i]])
    upper.set_ylim(min(0, np.min([data[name][i] for name, _ in LOGITS])), 1.08 * end)
    lower.set_ylim(0, 1.02)
    lower.set_xlabel("time")


def trajectories(data):
    """Every case is two panels, one above the other."""
    names = data["case"].asstr()[:]
    columns = min(4, len(names))
    blocks = -(-len(names) // columns)
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(0.4 + 1.75 * columns, 0.3 + 3 * blocks), layout="constrained")
        panels, foot = figure.subfigures(2, 1, height_ratios=[3 * blocks, 0.3])
        axes = panels.subplots(2 * blocks, columns, squeeze=False)
        for i, name in enumerate(names):
            upper, lower = axes[2 * (i // columns), i % columns], axes[2 * (i // columns) + 1, i % columns]
            draw_case(upper, lower, data, i)
            jump = data["transition_time"][i]
            when = f"$t^*$ = {jump:.4g}" if np.isfinite(jump) else "no jump"
            upper.set_title(f"({'abcdefghijklmnopqrstuvwxyz'[i % 26]}) {name}\n{when}", loc="left")
            upper.tick_params(labelbottom=False)
            if i % columns == 0:
                upper.set_ylabel("logits, loss (nats)")
                lower.set_ylabel("measures")
        for i in range(len(names), blocks * columns):
            for row in (0, 1):
                axes[2 * (i // columns) + row, i % columns].set_axis_off()
        curves = axes[0, 0].lines[: len(LOGITS) + 1] + axes[1, 0].lines[: len(MEASURES)]
        foot.legend(handles=curves, loc="center", ncol=8 if columns == 4 else 2 * columns, handlelength=2.2)
    return figure


def without_jump(times):
    """What a legend says of transition times among which there is no jump."""
    if np.all(np.isinf(times)):
        return r"$t^* = \infty$"
    reasons = [("not reached", np.isnan(times)), (r"$t^* = \infty$", np.isinf(times)), ("past it at the start", times == 0)]
    return ", ".join(reason for reason, holds in reasons if holds.any())


def draw_families(axes, data):
    """t* against N with its fits and asymptotes, t* over the asymptote, and local exponents; returns what the legend shows."""
    a, b, c = axes
    n, times, asymptotes, local = (data[name][:] for name in ("n_pairs", "transition_time", "asymptote", "local_exponent"))
    handles = []
    for i, name in enumerate(data["family"].asstr()[:]):
        shown = np.isfinite(times[i]) & (times[i] > 0)
        style = {"color": COLOURS[i % 7], "marker": "osD^v<>"[i % 7], "ms": 3.5}
        if not shown.any():
            handles += a.plot([], [], ls="", label=f"${name}$: {without_jump(times[i])}", color="0.4", marker="x", ms=4)
            continue
        last = np.flatnonzero(shown)[-1]
        label = f"${name}$"
        if np.isfinite(local[i, last]):
            label += rf": $t^* \propto N^{{{local[i, last]:.3f}}}$ at $N$ = {n[last]:g}"
        handles += a.loglog(n[shown], times[i][shown], ls="", label=label, **style)
        exponent = data["exponent"][i]
        if np.isfinite(exponent):
            half = n[len(n) // 2 :]  # what is fitted
            a.loglog(half, np.exp(data["fit_intercept"][i]) * half**exponent, color=style["color"], lw=1.2)
        a.loglog(n, asymptotes[i], color=style["color"], ls=":", lw=1)
        b.semilogx(n[shown], (times[i] / asymptotes[i])[shown], lw=1, **style)
        c.semilogx(n, local[i], lw=1, **style)
    handles += a.plot([], [], color="0.4", lw=1.2, label="one power for the larger half of $N$")
    handles += a.plot([], [], color="0.4", ls=":", lw=1, label="asymptote for large $N$")
    b.axhline(1, color="0.6", lw=0.7, zorder=0)
    for level in (1.5, 2):
        c.axhline(level, color="0.6", lw=0.7, zorder=0)
    return handles


def draw_by_labels(ax, data):
    """t* against L / N at one N each."""
    surplus, times, asymptotes = data["surplus"][:], data["transition_time_by_labels"][:], data["asymptote_by_labels"][:]
    for i, n in enumerate(data["fixed_n_pairs"][:]):
        shown = np.isfinite(times[i]) & (times[i] > 0)
        ratio, colour = (1 + surplus / n)[shown], COLOURS[-1 - i % 7]
        ax.loglog(ratio, times[i][shown], color=colour, marker=".", lw=1, label=f"$N$ = {n:g}")
        ax.loglog(ratio, asymptotes[i][shown], color=colour, ls=":", lw=1)
    ticks = [1, 2, 4, 8, 16]
    ax.set_xticks(ticks, [f"{tick}" for tick in ticks])
    ax.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    ax.legend()


def transition_times(data):
    """When the jump comes: against N along families of L, and against L."""
    by_labels = "fixed_n_pairs" in data
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(9.4 if by_labels else 7.1, 2.9), layout="constrained")
        panels, foot = figure.subfigures(2, 1, height_ratios=[2.5, 0.4])
        axes = panels.subplots(1, 4 if by_labels else 3)
        foot.legend(handles=draw_families(axes[:3], data), loc="center", ncol=4, handlelength=1.6)
        titles = ["time of the jump", "against the asymptote", "local exponent", "at fixed $N$"]
        ylabels = ["$t^*$", "$t^*$ / asymptote", r"$d\,\ln t^* / d\,\ln N$", "$t^*$"]
        for ax, letter, title, label in zip(axes, "abcd", titles, ylabels):
            ax.set(xlabel="pairs $N$", ylabel=label)
            ax.set_title(f"({letter}) {title}", loc="left")
        if by_labels:
            draw_by_labels(axes[3], data)
            axes[3].set_xlabel("labels a pair $L / N$")
    return figure
