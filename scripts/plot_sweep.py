#!/usr/bin/python3
"""Draws what a sweep found: a measure of /eval against a swept key, mean and standard deviation over seeds, and says which way it goes.

    scripts/plot_sweep.py sweeps/noise                           # accuracy of every test set at the end, against the key with most values
    scripts/plot_sweep.py sweeps/classes --x task.n_classes --sets ic iw --out classes.pdf
    scripts/plot_sweep.py sweeps/pairs --sets ic --crossing 0.75  # the step at which accuracy passes 0.75, for the first time
    scripts/plot_sweep.py sweeps/claim --sets test --at-best validation   # each run where its accuracy on `validation` is best

A panel a test set; a colour a value of the next key, a dash a value of the one after it (the first of both that is `system` takes the
dashes, so that models overlay). For each curve a line is printed: its means, and the rank correlation (Kendall's tau-b over all runs)
of the measure with the key: the sign is the trend's direction. Keys of a zip and keys that are no numbers have no direction. A level to be
crossed should lie above what guessing gives: with two pairs, one of the two labels is right half of the time.

Several sweeps over the same keys are laid over each other. Needs a sweep's folder or its sweep.h5; Debian: python3-h5py python3-matplotlib."""
import argparse
import os
import sys

import h5py
import numpy as np

from plots import common
import matplotlib.pyplot as plt  # common has chosen a backend that needs no display

SEED = ("seed", "seeds.task", "seeds.init", "seeds.data", "seeds.eval")


class Sweep:
    """axes {key: values}; values [axes..., step, evalset] of one variable of /eval; steps; sets."""

    def __init__(self, path, measure):
        path = os.path.join(path, "sweep.h5") if os.path.isdir(path) else path
        if not os.path.isfile(path):
            raise common.WrongInput(f"there is no {path}: give the folder of a sweep that has been run, or its sweep.h5")
        with h5py.File(path) as file:
            if "sweep_schema_version" not in file.attrs:
                raise common.WrongInput(f"{path} is not a sweep's file: `saltus sweep run` or `sweep collect` writes one")
            group = file["eval"]
            known = [name for name, data in group.items() if data.ndim and "step" in along(data) and name != "step"]
            if measure not in known:
                raise common.WrongInput(f"{path} has no measure '{measure}'; it has: {', '.join(known)}")
            self.axes = {key: [text(v) for v in group[key][:]] for key in along(group["status"])}
            for zipped, (name, values) in companions(group, self.axes):  # the keys of a zip share an axis: "2, 8"
                self.axes[zipped] = [f"{a}, {b}" for a, b in zip(self.axes[zipped], values)]
                self.axes = {f"{key}, {name}" if key == zipped else key: v for key, v in self.axes.items()}
            self.steps = group["step"][:]
            self.sets = [text(v) for v in group["evalset"][:]]
            self.values = group[measure][:]

    def by_set(self):
        """values [axes..., evalset, step]"""
        return np.moveaxis(self.values, len(self.axes), -1)

    def number(self, name):
        if name not in self.sets:
            raise common.WrongInput(f"there is no test set '{name}'; these runs have: {', '.join(self.sets)}")
        return self.sets.index(name)


def companions(group, axes):
    """[(first key of a zip, (further key, its values))], as the axes are called while they are taken up one by one."""
    called, found = {key: key for key in axes}, []
    for name, data in group.items():
        axis = along(data)[0] if data.ndim == 1 else ""
        if axis in axes and name not in (axis, "run", "status"):
            found.append((called[axis], (name, [text(v) for v in data[:]])))
            called[axis] += f", {name}"
    return found


def along(data):
    return [axis[0].name.rsplit("/", 1)[-1] if len(axis) else "" for axis in data.dims]


def text(value):
    return value.decode() if isinstance(value, bytes) else f"{value:.10g}" if isinstance(value, (int, float, np.number)) else str(value)


def at_the_end(values):
    """values [..., step] at each run's last evaluation that measured it; NaN for a run without any."""
    last = values.shape[-1] - 1 - np.argmax(np.isfinite(values[..., ::-1]), axis=-1)
    return np.take_along_axis(values, last[..., None], -1)[..., 0]


def at_best(values, number):
    """values [..., step, evalset] at the first step where set `number` is highest; NaN for a run without any."""
    judged = np.where(np.isfinite(values[..., number]), values[..., number], -np.inf)
    return np.take_along_axis(values, judged.argmax(axis=-1)[..., None, None], -2)[..., 0, :]


def first_crossing(steps, values, level):
    """Step at which values [..., step] first pass `level`, interpolated; NaN where they never do, or are above from the start."""
    out = np.full(values.shape[:-1], np.nan)
    for place in np.ndindex(out.shape):
        kept = np.isfinite(values[place])
        s, v = steps[kept], values[place][kept]
        above = np.flatnonzero(v >= level)
        if len(above) and above[0] > 0:
            i = above[0]
            out[place] = s[i - 1] + (level - v[i - 1]) / (v[i] - v[i - 1]) * (s[i] - s[i - 1])
    return out


def kendall(x, y):
    """Kendall's tau-b of all pairs of runs: +1 where y always grows with x."""
    dx, dy = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    tied = np.sqrt(np.abs(dx).sum() * np.abs(dy).sum())
    return (dx * dy).sum() / tied if tied else float("nan")


def reading(arguments):
    """What to read off each run: a function of a sweep that gives [axes..., evalset], and its name."""
    if arguments.crossing is not None:
        return (lambda sweep: first_crossing(sweep.steps, sweep.by_set(), arguments.crossing)), f"step at which {arguments.measure} passes {arguments.crossing:g}"
    if arguments.at_best is not None:
        return (lambda sweep: at_best(sweep.values, sweep.number(arguments.at_best))), f"{arguments.measure} where {arguments.at_best}'s is best"
    return (lambda sweep: at_the_end(sweep.by_set())), arguments.measure


def curves_of(sweep, x_key, at):
    """[(settings {key: value}, x [n], values [n, run, evalset])] with seeds as runs."""
    keys = list(sweep.axes)
    found = at(sweep)  # [axes..., evalset]
    seeds = [i for i, key in enumerate(keys) if key in SEED]
    rest = [i for i, key in enumerate(keys) if key != x_key and i not in seeds]
    x_axis = keys.index(x_key)
    ordered = np.transpose(found, [*rest, x_axis, *seeds, len(keys)])
    for place in np.ndindex(tuple(found.shape[i] for i in rest)):
        settings = {keys[i]: sweep.axes[keys[i]][p] for i, p in zip(rest, place)}
        part = ordered[place]
        yield settings, sweep.axes[x_key], part.reshape(part.shape[0], -1, part.shape[-1])


def chosen_key(sweep, wanted):
    free = [key for key in sweep.axes if key not in SEED]
    if wanted is None:
        if not free:
            raise common.WrongInput("this sweep has seeds alone: there is no key to draw against")
        numbers = [key for key in free if key != "system"] or free
        return max(numbers, key=lambda key: len(sweep.axes[key]))
    for key in free:
        if wanted in key.split(", "):
            return key
    if wanted not in free:
        raise common.WrongInput(f"the sweep does not sweep '{wanted}'; it sweeps: {', '.join(free) or 'seeds alone'}")
    return wanted


def is_number(value):
    try:
        float(value)
    except ValueError:
        return False
    return True


def positions(values):
    """Where values of the key stand on the axis, and whether it is logarithmic."""
    if not all(map(is_number, values)):
        return np.arange(len(values), dtype=float), False
    x = np.array([float(v) for v in values])
    return x, bool((x > 0).all() and x.max() / x.min() >= 8)


def styles(all_settings):
    """{settings as a tuple: (colour, dash)}; `system` takes the dashes."""
    keys = [key for key in all_settings[0] if len({s[key] for s in all_settings}) > 1]
    dash_key = "system" if "system" in keys else keys[1] if len(keys) > 1 else None
    dash_values = list(dict.fromkeys(s[dash_key] for s in all_settings)) if dash_key else [None]
    colour_of, out = {}, []
    for s in all_settings:
        colour = tuple(s[key] for key in keys if key != dash_key)
        colour_of.setdefault(colour, common.COLOURS[len(colour_of) % len(common.COLOURS)])
        dash = common.DASHES[dash_values.index(s[dash_key]) % len(common.DASHES)] if dash_key else "-"
        name = ", ".join(s[key] if key == "system" else f"{key.rsplit('.', 1)[-1]} {s[key]}" for key in keys)
        out.append((colour_of[colour], dash, name))
    return out


def draw(curves, sets, set_numbers, x_key, label):
    with plt.rc_context(common.STYLE):
        figure, panels = plt.subplots(1, len(sets), figsize=(2.6 * len(sets) + 1.8, 2.8), sharey=True, layout="constrained", squeeze=False)
        looks = styles([settings for settings, _, _ in curves])
        for panel, name, number in zip(panels[0], sets, set_numbers):
            for (colour, dash, title), (_, values, runs) in zip(looks, curves):
                x, logarithmic = positions(values)
                joined = all(map(is_number, values))
                y = runs[..., number]
                with np.errstate(invalid="ignore"):
                    measured = np.isfinite(y).any(axis=1)
                panel.errorbar(x[measured], np.nanmean(y[measured], axis=1), np.nanstd(y[measured], axis=1), color=colour, ls=dash if joined else "none", marker="o" if dash == "-" else "s", ms=3,
                               capsize=2, label=title or None)
                if logarithmic:
                    panel.set_xscale("log")
                panel.set_xticks(x, [v.strip("[]").replace('"', "") for v in values], rotation=0 if joined or max(map(len, values)) < 6 else 40,
                                 ha="center" if joined or max(map(len, values)) < 6 else "right")
                panel.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
            panel.set(title=name, xlabel=x_key)
        panels[0][0].set_ylabel(label)
        if len(curves) > 1:
            panels[0][-1].legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def cell(value, runs, digits):
    """'64: 0.031 (0.004)': mean and standard deviation of the runs that have the measure; '3 of 6' where some have not."""
    y = runs[np.isfinite(runs)]
    if not len(y):
        return f"{value}: -"
    spread = f" ({np.std(y, ddof=1):.{digits}f})" if len(y) > 1 else ""
    return f"{value}: {y.mean():.{digits}f}{spread}" + (f" in {len(y)} of {len(runs)}" if len(y) < len(runs) else "")


def report(curves, sets, set_numbers, x_key, digits):
    for settings, values, runs in curves:
        print(", ".join(f"{key}={value}" for key, value in settings.items()) or "all runs")
        for name, number in zip(sets, set_numbers):
            y, x = runs[..., number], positions(values)[0]
            flat_x, flat_y = np.repeat(x, y.shape[1]), y.ravel()
            kept = np.isfinite(flat_y)
            trend = f"   tau {kendall(flat_x[kept], flat_y[kept]):+.2f}" if all(map(is_number, values)) and len(set(flat_x[kept])) > 1 else ""
            print(f"  {name:10} against {x_key}: {', '.join(cell(v, row, digits) for v, row in zip(values, y))}{trend}")


def main():
    parser = argparse.ArgumentParser(prog="plot_sweep.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", nargs="+", help="folders of sweeps, or their sweep.h5")
    parser.add_argument("--x", help="swept key along the x axis (default: that with most values)")
    parser.add_argument("--measure", default="accuracy", help="variable of /eval (default: accuracy)")
    parser.add_argument("--sets", nargs="+", help="test sets (default: all)")
    of_a_run = parser.add_mutually_exclusive_group()
    of_a_run.add_argument("--crossing", type=float, metavar="LEVEL", help="draw the step at which the measure first passes this level")
    of_a_run.add_argument("--at-best", metavar="SET", help="draw the measure where it is highest on this test set, instead of at the end")
    parser.add_argument("--out", help="picture to write, .png or .pdf (default: in the first sweep's folder)")
    arguments = parser.parse_args()
    at, label = reading(arguments)
    try:
        sweeps = [Sweep(path, arguments.measure) for path in arguments.sweeps]
        x_key = chosen_key(sweeps[0], arguments.x)
        sets = arguments.sets or sweeps[0].sets
        numbers = [sweeps[0].number(name) for name in sets]
        curves = [curve for sweep in sweeps for curve in curves_of(sweep, chosen_key(sweep, x_key), at)]
    except (common.WrongInput, OSError) as error:
        print(f"plot_sweep.py: {error}", file=sys.stderr)
        return 2
    report(curves, sets, numbers, x_key, 3 if arguments.crossing is None else 0)
    first = arguments.sweeps[0]
    out = arguments.out or os.path.join(first if os.path.isdir(first) else os.path.dirname(first), "sweep.png")
    draw(curves, sets, numbers, x_key, label).savefig(out, dpi=150)
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
