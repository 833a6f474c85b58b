#!/usr/bin/python3
"""Which measure moves first? For the runs of a sweep, grouped by all swept keys but the seed, prints for each progress measure the step
at which it has gone half of its way, beside the step at which accuracy has (where a system has none: loss).

A measure's way is that from its first to its last evaluation, and half of it is gone at the first evaluation that is half-way there or
beyond, even if the measure turns back later. The step shown is the median over the group's runs; its range and the number of runs stand
beside it. Of a measure with several entries (layers, heads, kinds of tokens) the one that changes most from first to last counts, in
each run for itself. A measure whose net change is less than a fifth of its range over the run goes nowhere: that run does not count for
it. Values that are not finite are passed over. Counts over the questions of a bin (questions_, correct_, survival_) are left out.

The runs are given as a sweep's folder (sweeps/s), as its collected file (sweeps/s/sweep.h5), or one by one (a run's folder or run.h5);
then the groups are by the keys in which the runs' configs differ. Only runs that are done count.

    scripts/first_movers.py sweeps/abrupt
    scripts/first_movers.py runs/seed0 runs/seed1 --set test --json

Needs h5py, which Debian installs for /usr/bin/python3. Exits with 2 when there is nothing to read.
"""

import argparse
import json
import pathlib
import statistics
import sys

try:
    import h5py
    import numpy as np  # h5py brings it
except ImportError as missing:
    sys.exit(f"first_movers.py: {missing}: run it as /usr/bin/python3 scripts/first_movers.py, after apt install python3-h5py")

COUNTS = ("questions_", "correct_", "survival_")
LEAST_NET = 0.2  # of the range: below, a measure has gone up and down, or only trembled
FEWEST = 3  # evaluations that have a middle


class WrongInput(Exception):
    """Something the user can mend; the program says it and exits with 2."""


class Run:
    """settings {key: text}, without seeds; outcomes and measures {name: (steps, values [step, ...])}."""

    def __init__(self, settings, evals, progress, evalset):
        self.settings = {key: value for key, value in settings.items() if key != "seed" and not key.startswith("seeds.")}
        self.outcome = "accuracy" if "accuracy" in evals.values else "loss"
        self.evalset = evalset if evalset is not None else next((s for s in ("test", "ic") if s in evals.sets), evals.sets[0])
        if self.evalset not in evals.sets:
            raise WrongInput(f"there is no test set '{self.evalset}'; these runs have: {', '.join(evals.sets)}")
        self.way = (evals.steps, evals.values[self.outcome][:, evals.sets.index(self.evalset)])
        self.measures = {name: (progress.steps, values) for name, values in progress.values.items() if not name.startswith(COUNTS)}


class Table:
    """A group of a run, or one run's part of a group of a sweep: steps [row], values {variable: [row, ...]}, sets: names of the test sets."""

    def __init__(self, group, place=()):
        """`place` is where the run stands on the sweep's axes, which come before the step."""
        self.steps = group["step"][:]
        self.values, self.sets = {}, [name.decode() for name in group["evalset"][:]] if "evalset" in group else []
        for name, data in group.items():
            if data.ndim > len(place) and along(data)[len(place)] == "step":
                self.values[name] = data[place + (Ellipsis,)]


def along(data):
    """Name of each axis; a coordinate's own has none."""
    return [axis[0].name.rsplit("/", 1)[-1] if len(axis) else "" for axis in data.dims]


def text(value):
    return value if isinstance(value, str) else f"{value:.10g}"


def flat(config_yaml):
    """{dotted key: text} of a resolved config, in which every key has a line."""
    keys, path = {}, []
    for line in config_yaml.splitlines():
        bare = line.split(" #")[0].rstrip()
        if ":" not in bare:
            continue
        indent = len(bare) - len(bare.lstrip())
        key, _, value = bare.strip().partition(":")
        path = [(at, name) for at, name in path if at < indent] + [(indent, key)]
        if value.strip():
            keys[".".join(name for _, name in path)] = value.strip()
    return keys


def read_run(path, settings, evalset):
    """None for a run that is not done."""
    if not h5py.is_hdf5(path):
        raise WrongInput(f"{path} is not an HDF5 file")
    with h5py.File(path) as file:
        if "eval" not in file or "progress" not in file:
            raise WrongInput(f"{path} has no /eval or no /progress: is it the run.h5 of a saltus run?")
        if file.attrs.get("status") != "done":
            return None
        return Run(flat(file.attrs["config_yaml"]) if settings is None else settings, Table(file["eval"]), Table(file["progress"]), evalset)


def runs_of_folder(folder, evalset):
    jobs = json.loads((folder / "manifest.json").read_text())["jobs"]
    files = [(folder / "runs" / job["id"] / "run.h5", job["settings"]) for job in jobs]
    return [read_run(path, settings, evalset) if path.is_file() else None for path, settings in files]


def runs_of_sweep_file(path, evalset):
    with h5py.File(path) as file:
        evals, progress = file["eval"], file["progress"]
        status = evals["status"].asstr()[:]
        axes, keys = along(evals["status"]), {}  # {key: (number of its axis, values)}
        for name, data in evals.items():
            axis = along(data)[0] or name  # the further keys of a zip stand along the axis of its first
            if axis in axes and data.ndim == 1 and name not in ("run", "status"):
                keys[name] = (axes.index(axis), data.asstr()[:] if h5py.check_string_dtype(data.dtype) else data[:])
        found = []
        for place in np.ndindex(status.shape):
            settings = {name: text(values[place[axis]]) for name, (axis, values) in keys.items()}
            done = status[place] == "done"
            found.append(Run(settings, Table(evals, place), Table(progress, place), evalset) if done else None)
        return found


def runs_of(given, evalset):
    path = pathlib.Path(given)
    if (path / "manifest.json").is_file():
        return runs_of_folder(path, evalset)
    path = path / "run.h5" if path.is_dir() else path
    if not path.is_file():
        raise WrongInput(f"there is no {path}: give a sweep's folder, its sweep.h5, or runs")
    if h5py.is_hdf5(path):
        with h5py.File(path) as file:
            collected = "sweep_schema_version" in file.attrs
        if collected:
            return runs_of_sweep_file(path, evalset)
    return [read_run(path, None, evalset)]


def half_way(steps, values):
    """First step at which `values` [step, ...] has gone half of its net way; None where it goes nowhere."""
    entries = values.reshape(len(steps), -1)
    ways = []
    for entry in entries.T:
        finite = np.isfinite(entry)
        if finite.sum() >= FEWEST:
            kept = entry[finite]
            ways.append((abs(kept[-1] - kept[0]), steps[finite], kept))
    if not ways:
        return None
    net, steps, kept = max(ways, key=lambda way: way[0])
    if net == 0 or net < LEAST_NET * np.ptp(kept):
        return None
    return int(steps[np.argmax((kept - kept[0]) / (kept[-1] - kept[0]) >= 0.5)])


def row(name, steps):
    """Of one measure, from its half-way steps in the runs where it goes somewhere."""
    return {"measure": name, "step": statistics.median(steps), "first": min(steps), "last": max(steps), "runs": len(steps)}


def movers(runs):
    """The rows of one group, earliest first, and the outcome's; those of measures that go nowhere in any run are missing."""
    outcome = [step for step in (half_way(*run.way) for run in runs) if step is not None]
    found = {}
    for run in runs:
        for name, way in run.measures.items():
            step = half_way(*way)
            if step is not None:
                found.setdefault(name, []).append(step)
    rows = sorted((row(name, steps) for name, steps in found.items()), key=lambda r: (r["step"], r["measure"]))
    return rows, row(f"{runs[0].outcome} ({runs[0].evalset})", outcome) if outcome else None


def groups_of(runs):
    """[{settings, runs, outcome, measures}], by the keys that are not the same in all runs."""
    keys = [key for key in dict.fromkeys(k for run in runs for k in run.settings) if len({run.settings.get(key) for run in runs}) > 1]
    groups = {}
    for run in runs:
        groups.setdefault(tuple(run.settings.get(key, "") for key in keys), []).append(run)
    tables = []
    for values, members in groups.items():
        rows, outcome = movers(members)
        tables.append({"settings": dict(zip(keys, values)), "runs": len(members), "outcome": outcome, "measures": rows})
    return tables


def show(group):
    settings = ", ".join(f"{key}={value}" for key, value in group["settings"].items()) or "all runs"
    print(f"{settings}: {group['runs']} run{'s' * (group['runs'] != 1)}")
    outcome = group["outcome"]
    rows = sorted(group["measures"] + [outcome] * bool(outcome), key=lambda r: r["step"])
    if not outcome:
        print("  the outcome goes nowhere")
    width = max((len(r["measure"]) for r in rows), default=0)
    print(f"  {'':{width}}  half-way  over runs      runs")
    for r in rows:
        span = f"{r['first']}-{r['last']}"
        print(f"  {r['measure']:{width}}  {r['step']:8g}  {span:13}  {r['runs']:4}{'  <' * (r is outcome)}")


def main():
    parser = argparse.ArgumentParser(prog="first_movers.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("given", nargs="+", metavar="sweep-or-run", help="a sweep's folder or sweep.h5, or runs")
    parser.add_argument("--set", help="test set of the accuracy (test, ic or the first)")
    parser.add_argument("--json", action="store_true", help="the tables as JSON")
    args = parser.parse_args()
    try:
        found = [run for given in args.given for run in runs_of(given, args.set)]
        runs = [run for run in found if run]
        if not runs:
            raise WrongInput("no run is done")
    except (WrongInput, OSError) as error:
        print(f"first_movers.py: {error}", file=sys.stderr)
        return 2
    if len(runs) < len(found):
        print(f"first_movers.py: {len(found) - len(runs)} of {len(found)} runs are not done and do not count", file=sys.stderr)
    tables = groups_of(runs)
    if args.json:
        print(json.dumps({"groups": tables}, indent=2))
    else:
        for i, group in enumerate(tables):
            print(end="\n" * (i > 0))
            show(group)
    return 0


if __name__ == "__main__":
    sys.exit(main())
