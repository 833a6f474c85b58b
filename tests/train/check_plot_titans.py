"""Draws the figures of titans runs with scripts/plot_run.py, from files written here in the layout of docs/run_file.md, and reads the
figures' words. Most have as few rows as some axis is long: what is an axis must not be taken for a measure."""

import pathlib
import subprocess
import tempfile

import h5py
import numpy as np

PLOT = pathlib.Path(__file__).parents[2] / "scripts" / "plot_run.py"
ROLES = ["filler", "key", "value", "query"]


def write_group(file, name, coordinates, variables):
    """A table of the run file: coordinates {axis: values}, variables {name: (axes, values)}."""
    group = file.create_group(name)
    for axis, values in coordinates.items():
        group[axis] = [v.encode() for v in values] if isinstance(values[0], str) else values
        group[axis].make_scale(axis)
    for variable, (axes, values) in variables.items():
        data = group.create_dataset(variable, data=np.asarray(values, float))
        for i, axis in enumerate(axes):
            data.dims[i].attach_scale(group[axis])


def rising(steps, *shape):
    """[step, ...]: from 0 to 1, the last entry furthest."""
    way = np.linspace(0, 1, len(steps)).reshape(-1, *[1] * len(shape))
    return way * np.linspace(0.5, 1, int(np.prod(shape))).reshape(shape)


def write_common(file, system, steps, progress_axes, progress):
    file.attrs.update(system=system, status="done", config_yaml=f"system: {system}\n")
    write_group(file, "train", {"step": steps}, {"loss": (["step"], 3 - rising(steps))})
    write_group(file, "progress", {"step": steps, **progress_axes}, progress)


def write_run(path, rows, by_distance=False, survival=False, patterns=False):
    """A run of titans_recall with gates by role, of two layers."""
    steps = 10 * np.arange(rows)
    axes = {"layer": [0, 1], "head": [0], "role": ROLES, "reader": ["before", "after", "query"], "distance": [1, 2, 4, 8, 16]}
    measures = {"alpha": (["step", "layer", "head", "role"], rising(steps, 2, 1, 4)), "retrieval": (["step"], 0.1 + 0 * steps)}
    if by_distance:
        measures["questions_by_distance"] = (["step", "distance"], np.tile([0, 4, 4, 2, 2], (rows, 1)))
        measures["correct_by_distance"] = (["step", "distance"], np.tile([0, 4, 3, 1, 0], (rows, 1)))
    if survival:
        measures["survival_by_distance"] = (["step", "layer", "head", "distance"], np.tile([0, 3.9, 3, 1, 0.1], (rows, 2, 1, 1)))
    if patterns:
        measures["attention_on_answer"] = (["step", "layer", "head"], rising(steps, 2, 1))
    with h5py.File(path, "w") as file:
        write_common(file, "titans_recall", steps, axes, measures)
        write_group(file, "eval", {"step": steps, "evalset": ["test", "longer"]},
                    {name: (["step", "evalset"], rising(steps, 2)) for name in ("loss", "accuracy")})
        if patterns:
            write_group(file, "attention", {"ckpt_step": steps, "probe": [0], "layer": [0, 1], "head": [0], "query": range(3), "key": range(3)},
                        {"pattern": (["ckpt_step", "probe", "layer", "head", "query", "key"], np.full((rows, 1, 2, 1, 3, 3), 1 / 3))})


def write_regression_run(path, rows):
    steps, seen = 2 * np.arange(rows), np.arange(6)
    pointwise = np.tile(1 / (1 + seen), (rows, 1))
    with h5py.File(path, "w") as file:
        write_common(file, "titans_regression", steps, {"n_seen": seen, "layer": [0], "head": [0], "token": ["x", "y"]},
                     {"pointwise_loss": (["step", "n_seen"], pointwise), "beta": (["step", "layer", "head", "token"], rising(steps, 1, 1, 2))})
        write_group(file, "eval", {"step": steps, "evalset": ["test"]}, {"loss": (["step", "evalset"], 1 - rising(steps, 1))})
        write_group(file, "references", {"evalset": ["test"], "predictor": ["kalman", "ridge"], "n_seen": seen},
                    {"risk": (["evalset", "predictor"], [[0.2, 0.3]]),
                     "pointwise_risk": (["evalset", "predictor", "n_seen"], np.stack([pointwise[:1] * 0.8, pointwise[:1]], 1))})


def plot(run, *arguments):
    return subprocess.run([PLOT, run, "--out", run.with_suffix(".svg"), *arguments], capture_output=True, text=True)


def words_in(run, *arguments):
    done = plot(run, *arguments)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return run.with_suffix(".svg").read_text()


def check_panels(folder):
    write_run(folder / "plain.h5", 25)
    text = words_in(folder / "plain.h5")
    assert "alpha (layer 1, role 3)" in text and "longer" in text, text
    assert "(d)" not in text and "survival" not in text, "no panel of distances without them"
    write_run(folder / "distances.h5", 25, by_distance=True)
    text = words_in(folder / "distances.h5")
    assert "(d) accuracy by distance" in text and "predicted survival" not in text and "correct by distance" not in text
    write_run(folder / "survival.h5", 25, by_distance=True, survival=True)
    text = words_in(folder / "survival.h5")
    assert "predicted survival (layer 1, head 0)" in text and "survival by distance" not in text
    write_run(folder / "patterns.h5", 25, patterns=True)
    assert "attention on answer (layer 1)" in words_in(folder / "patterns.h5")


def check_short_runs(folder):
    """As many rows as there are heads, layers or tokens, readers, roles, distances, pairs seen."""
    run = folder / "short.h5"
    for write, rows in ((write_run, 1), (write_run, 2), (write_run, 3), (write_run, 4), (write_run, 5), (write_regression_run, 2), (write_regression_run, 6)):
        write(run, rows)
        text = words_in(run)
        assert rows == 1 or "alpha (" in text or "beta (" in text
        for axis in ("layer", "head", "role", "reader", "distance", "token", "n seen"):
            assert f">{axis}<" not in text, f"a run of {rows} rows draws its axis {axis}"


def check_choice(folder):
    write_run(folder / "run.h5", 5, by_distance=True, survival=True)
    text = words_in(folder / "run.h5", "--measures", "retrieval")
    assert ">retrieval<" in text and "alpha" not in text
    write_regression_run(folder / "regression.h5", 4)
    assert "beta (token 1)" in words_in(folder / "regression.h5", "--measures", "beta")
    for run, measure, known in (("run.h5", "induction", "alpha, retrieval"), ("run.h5", "distance", "alpha, retrieval"),
                                ("run.h5", "step", "alpha, retrieval"), ("regression.h5", "retrieval", "beta")):
        done = plot(folder / run, "--measures", measure)
        assert done.returncode == 2 and "Traceback" not in done.stderr, done
        assert f"{run} has no measure '{measure}'; it has: {known}\n" in done.stderr, done.stderr


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_panels(folder)
        check_short_runs(folder)
        check_choice(folder)


main()
