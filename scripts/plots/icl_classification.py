"""The figure of a run of icl_classification or icl_minimal: loss, accuracy, progress measures, the strengths of a minimal model, and
attention maps before, during and after the jump.

The jump is where the accuracy on one test set (--set; the one that the run watches) first reaches a level (--level).
"""

import h5py
import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from plots.common import COLOURS, DASHES, HALO, STYLE, WrongInput, check_measures, draw_train_loss, measure_curve, moves, test_set

OPTIONS = {"log_step": False, "measures": None, "probe": 0, "set": None, "level": 0.5}
# The measures that Reddy (2024) follows, shown when a run has them and they move. Of a run without them, the first few are shown.
MAIN_MEASURES = ["item_label", "target_item_label", "target_labels", "context_label_accuracy"]
# One that is shown beside them where it moves by so much: in most runs the target just ceases to attend to itself.
SELF_MEASURE, SELF_MOVES = "target_self", 0.25
# Of /references' guess_accuracy, in its order: a later one that equals an earlier is no news.
GUESSES = {"any_label": "any label", "context_label": "a context label", "target_alone": "target alone", "labels_alone": "labels alone"}
# What a minimal model trains in place of attention. They are not shares, so they have a panel of their own.
STRENGTHS = {"previous_token_strength": r"previous token, $\beta_1$", "match_strength": r"match, $\alpha$", "label_strength": r"labels, $\beta_2$"}


class Run:
    """What the figure needs of a run.h5."""

    def __init__(self, path, jump_set, level):
        self.path = path
        with h5py.File(path) as file:
            for name in ("train/loss", "eval/loss", "eval/accuracy", "progress/step", "attention/pattern"):
                if name not in file:
                    raise WrongInput(f"{path} has no /{name}: is it the run.h5 of a saltus classifier?")
            if len(file["eval/step"]) == 0:
                raise WrongInput(f"{path} has no evaluation yet: try again when the run has got further")
            self.train = {name: file["train"][name][:] for name in ("step", "loss")}
            self.sets = [name.decode() for name in file["eval/evalset"][:]]
            self.eval = {name: file["eval"][name][:] for name in ("step", "loss", "accuracy")}
            self.progress_step = file["progress/step"][:]
            # Coordinates are dimension scales; all else in the group is a measure.
            self.measures = {name: measure_curve(name, data) for name, data in file["progress"].items() if "CLASS" not in data.attrs}
            self.layers = file["attention/layer"].size
            self.probes = file["attention/probe"].size
            self.ckpt_step = file["attention/ckpt_step"][:]
            self.jump_set, self.level = jump_set or watched_set(file), level
            self.jump_accuracy = self.eval["accuracy"][:, test_set(path, file, self.jump_set)]
            self.chance = chance_levels(file, self.jump_set)
            self.jump = crossing(self.eval["step"], self.jump_accuracy, level)
            self.plateau_end = plateau_end(file, self.jump)

    def map_moments(self):
        """(title, index of the checkpoint) of the attention maps to show."""
        last = len(self.ckpt_step) - 1
        if last < 0:
            return []
        if self.jump is None:
            halfway = np.abs(self.ckpt_step - self.ckpt_step[last] / 2).argmin()  # of the steps: checkpoints lie closer at the start
            return [("first", 0), ("halfway", int(halfway)), ("last", last)]
        accuracy = np.interp(self.ckpt_step, self.eval["step"], self.jump_accuracy)
        low = np.flatnonzero((accuracy < self.level / 2) & (self.ckpt_step < self.jump))
        if self.plateau_end is not None:  # a plateau may lie above half of the level
            low = np.flatnonzero(self.ckpt_step <= self.plateau_end)
        return [("before", low[-1] if len(low) else 0), ("during", int(np.abs(accuracy - self.level).argmin())), ("after", last)]

    def maps(self, moments, probe):
        """Attention of one probe sequence [moment, layer, head, query, key]; reads the checkpoints it needs only."""
        with h5py.File(self.path) as file:
            return np.stack([file["attention/pattern"][index, probe] for _, index in moments])

    def right_keys(self, probe):
        """Keys that show the probe's answer: the label tokens after items of the target's class (token 2k+1 of pair k)."""
        with h5py.File(self.path) as file:
            match = file["attention"].get("context_match")
            return [] if match is None else 2 * np.flatnonzero(match[probe]) + 1


def watched_set(file):
    """The test set whose accuracy the run watches for jumps, which /events says in words; without them ic."""
    if "events/before" not in file:
        return "ic"
    return file["events/before"].attrs["long_name"].split(" ", 1)[0]  # "ic accuracy before the jump"


def plateau_end(file, jump):
    """The step one width before the jump that /events has at this step begins; None where it has none."""
    if jump is None or "events/step_10" not in file:
        return None
    begin, end, width = (file["events"][name][:] for name in ("step_10", "step_90", "width"))
    found = np.flatnonzero((begin - width <= jump) & (jump <= end + width))
    return begin[found[0]] - width[found[0]] if len(found) else None


def chance_levels(file, evalset):
    """{what a guesser reads: its accuracy on this test set}, of those that have a formula there."""
    if "references/guess_accuracy" not in file:
        return {}
    group = file["references"]
    row = [name.decode() for name in group["evalset"][:]].index(evalset)
    of_guess = dict(zip(group["guess"].asstr()[:], group["guess_accuracy"][row]))
    levels = {}
    for guess, label in GUESSES.items():
        level = of_guess.get(guess, np.nan)
        if not np.isnan(level) and not np.isclose(level, list(levels.values())).any():
            levels[label] = level
    return levels


def crossing(step, value, level):
    """Where `value` first reaches `level` from below, by linear interpolation; None when it does not."""
    above = np.flatnonzero(value >= level)
    if len(above) == 0 or above[0] == 0:
        return None
    i = above[0]
    return step[i - 1] + (level - value[i - 1]) / (value[i] - value[i - 1]) * (step[i] - step[i - 1])


def draw_loss(ax, run):
    draw_train_loss(ax, run.train["step"], run.train["loss"])
    for i, name in enumerate(run.sets):
        ax.plot(run.eval["step"], run.eval["loss"][:, i], color=COLOURS[i % 7], ls=DASHES[i % 7], label=name)
    ax.set_ylabel("cross-entropy (nats)")
    ax.set_title("(a) loss", loc="left")
    ax.set_ylim(bottom=0)


def draw_accuracy(ax, run):
    for i, name in enumerate(run.sets):
        ax.plot(run.eval["step"], run.eval["accuracy"][:, i], color=COLOURS[i % 7], ls=DASHES[i % 7], label=name)
    for name, level in run.chance.items():
        ax.axhline(level, color="0.5", lw=0.8, ls=":")
        ax.annotate(f"chance, {name}", (0.01, level), xycoords=("axes fraction", "data"), xytext=(0, 1.5), textcoords="offset points",
                    fontsize=6, color="0.3", path_effects=HALO)
    ax.set_ylim(-0.02, 1.02)
    ax.set_ylabel("accuracy")
    ax.set_title(f"(b) accuracy; chance on {run.jump_set}" if run.chance else "(b) accuracy on test sets", loc="left")


def draw_progress(ax, run, names):
    for i, name in enumerate(names):
        label, curve = run.measures[name]
        ax.plot(run.progress_step, curve, color=COLOURS[i % 7], ls=DASHES[i % 7], label=label)
    ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
    ax.set_ylabel("measure")
    ax.set_title("(c) progress measures", loc="left")


def draw_strengths(ax, run):
    for i, (name, label) in enumerate(STRENGTHS.items()):
        ax.plot(run.progress_step, run.measures[name][1], color=COLOURS[i], ls=DASHES[i], label=label)
    ax.set_ylabel("strength")
    ax.set_title("(d) the model's three numbers", loc="left")


def finish_curves(axes, run, log_step):
    for ax in axes:
        ax.set_xlabel("optimizer step")
        if log_step:
            ax.set_xscale("log")
            ax.set_xlim(left=min(run.eval["step"][run.eval["step"] > 0], default=1))
        elif run.eval["step"][-1] >= 10000:
            ax.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:g}k" if x else "0")
        if run.jump is not None:
            name = f"{run.jump_set} {run.level:.0%}: step {run.jump:,.0f}" if ax is axes[1] else None
            ax.axvline(run.jump, color="0.3", lw=0.8, zorder=0, label=name)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=2 if ax in axes[:2] else 1, handlelength=2.4, columnspacing=1)


def draw_maps(figure, run, probe, letter):
    """One sequence, not a mean over many: which label the target attends to differs from sequence to sequence."""
    moments = run.map_moments()
    if not moments:
        return
    maps, right_keys = run.maps(moments, probe), run.right_keys(probe)
    layers = maps.shape[1]
    axes = figure.subplots(layers, len(moments), squeeze=False)
    for layer in range(layers):
        of_layer = maps[:, layer]
        head = np.abs(of_layer[-1] - of_layer[0]).sum(axis=(-2, -1)).argmax()  # the head that changes most
        for column, (title, index) in enumerate(moments):
            ax = axes[layer, column]
            # Square root: uniform attention over many keys must stay visible beside a peak near 1.
            image = ax.imshow(of_layer[column, head], cmap="Blues", norm=matplotlib.colors.PowerNorm(0.5, 0, 1))
            ax.spines[:].set_visible(True)
            if len(right_keys):
                ax.plot(right_keys, [maps.shape[-2]] * len(right_keys), "^", color="C1", ms=4, clip_on=False)
                ax.set(xlim=(-0.5, maps.shape[-1] - 0.5), ylim=(maps.shape[-2] - 0.5, -0.5))
            ax.set_xticks([0, maps.shape[-1] - 1])
            ax.set_yticks([0, maps.shape[-2] - 1])
            if layer == 0:
                ax.set_title(f"{title}: step {run.ckpt_step[index]:,}")
            if layer == layers - 1:
                ax.set_xlabel("key", labelpad=-6)
            if column == 0:
                of_head = "" if maps.shape[2] == 1 else f", head {head}"
                ax.set_ylabel(f"layer {layer}{of_head}\nquery", labelpad=-4)
    answer = " (triangle: the target's right label)" if len(right_keys) else ""
    figure.suptitle(f"({letter}) attention in probe sequence {probe}{answer}", x=0.01, ha="left", fontsize=8)
    figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02, label="attention (square-root scale)", ticks=[0, 0.05, 0.25, 0.5, 1])


def chosen_measures(run, wanted):
    if wanted:
        check_measures(run.path, wanted, run.measures)
        return wanted
    moving = [name for name, (_, curve) in run.measures.items() if moves(curve)] or list(run.measures)  # nothing does in one row
    shown = [name for name in MAIN_MEASURES if name in moving] or moving[:6]
    if SELF_MEASURE in moving and SELF_MEASURE not in shown and moves(run.measures[SELF_MEASURE][1], SELF_MOVES):
        shown.append(SELF_MEASURE)
    return shown


def draw(path, options, out):
    run = Run(path, options["set"], options["level"])
    if not 0 <= options["probe"] < run.probes:
        raise WrongInput(f"--probe {options['probe']}: the run stores probe sequences 0 to {run.probes - 1}")
    measures = chosen_measures(run, options["measures"])
    strengths = all(name in run.measures for name in STRENGTHS)
    with plt.rc_context(STYLE):
        curves_height, maps_height = 6.2 if strengths else 3.1, 0.4 + 1.6 * run.layers
        figure = plt.figure(figsize=(7.1, curves_height + maps_height), layout="constrained")
        curves, maps = figure.subfigures(2, 1, height_ratios=[curves_height, maps_height])
        axes = list(curves.subplots(*((2, 2) if strengths else (1, 3))).flat)
        draw_loss(axes[0], run)
        draw_accuracy(axes[1], run)
        draw_progress(axes[2], run, measures)
        if strengths:
            draw_strengths(axes[3], run)
        finish_curves(axes, run, options["log_step"])
        draw_maps(maps, run, options["probe"], "e" if strengths else "d")
        figure.savefig(out, dpi=200, bbox_inches="tight")
