"""Draws figures of markov_chains runs with scripts/plot_run.py, from files written here in the layout of docs/run_file.md, and reads the
figures' words."""

import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).parents[2]
PLOT = ROOT / "scripts" / "plot_run.py"
sys.path.insert(0, str(ROOT / "scripts"))

from plots.markov_chains import phases  # noqa: E402

PREDICTORS = ["uniform", "unigram", "bigram", "chain"]


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


def write_run(path, rows, minimal=False, heads=1):
    """A run whose divergence is least from each predictor in turn, and in which the last head of a layer of its own moves, if any does."""
    steps, sets, T = 10 * np.arange(rows), ["iid", "unigram_misleads"], 5
    kl = np.abs(np.linspace(0, 2.5, rows)[:, None, None] - np.arange(4)) * np.ones((1, 2, 1))
    measures = {"loss_by_position": (["step", "position"], np.ones((rows, T)))}
    if minimal:
        measures |= {name: (["step"], steps / 10) for name in ("v_previous", "v_rest", "W_diagonal", "W_off_diagonal")}
    else:
        for layer, name in enumerate(("prev_token", "induction")):
            values = np.ones((rows, 2, heads))
            values[:, layer, -1] += np.linspace(0, 1, rows)
            values[:, 1 - layer] += 0.1 * np.linspace(0, 1, rows)[:, None]
            measures[name] = (["step", "layer", "head"], values)
        measures["induction_chance"] = (["step"], np.full(rows, 0.3))
    with h5py.File(path, "w") as file:
        file.attrs.update(system="markov_chains", status="done", config_yaml="system: markov_chains\n")
        write_group(file, "train", {"step": steps}, {"loss": (["step"], 1 + 0 * steps)})
        write_group(file, "eval", {"step": steps, "evalset": sets, "predictor": PREDICTORS},
                    {"loss": (["step", "evalset"], np.ones((rows, 2))), "kl": (["step", "evalset", "predictor"], kl)})
        write_group(file, "progress", {"step": steps, "layer": [0, 1], "head": np.arange(heads), "position": np.arange(T)}, measures)
        write_group(file, "references", {"evalset": sets, "predictor": PREDICTORS, "position": np.arange(T)},
                    {"risk": (["evalset", "predictor"], [[1.1, 1.0, 0.9, 0.8], [1.1, 1.2, 0.7, 0.6]]),
                     "risk_by_position": (["evalset", "predictor", "position"], np.ones((2, 4, T)))})


def plot(run, *arguments):
    return subprocess.run([PLOT, run, "--out", run.with_suffix(".svg"), *arguments], capture_output=True, text=True)


def words_in(run, *arguments):
    done = plot(run, *arguments)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return run.with_suffix(".svg").read_text()


def check_phases():
    kl = np.array([[0.0, 0.2, 0.3, 0.0], [0.1, 0.05, 0.2, 0.0], [0.2, 0.04, 0.1, 0.0], [0.3, 0.2, 0.1, 0.0]])
    assert phases(kl, PREDICTORS) == [["uniform", 0, 0], ["unigram", 1, 2], ["bigram", 3, 3]]  # who knows the chain is no phase


def check_figures(folder):
    for rows in (1, 2, 4, 20):  # as many as layers, heads or predictors
        write_run(folder / "run.h5", rows)
        text = words_in(folder / "run.h5")
        for words in ("unigram 1.000", "bigram 0.900", "unigram misleads", "prev token (layer 0", "induction (layer ",
                      "induction chance", "(d) loss along a sequence"):
            assert words in text, (rows, words)
        assert "loss by position" not in text and ">layer<" not in text
    assert "bigram 0.700" in words_in(folder / "run.h5", "--set", "unigram_misleads")
    assert "optimizer step" in words_in(folder / "run.h5", "--log-step")
    assert "induction (layer 1)" in words_in(folder / "run.h5")
    write_run(folder / "heads.h5", 20, heads=2)
    text = words_in(folder / "heads.h5")
    for words in ("prev token (layer 0, head 1)", "induction (layer 1, head 1)"):
        assert words in text and text.count(words.split(" (")[0] + " (") == 1, "of every measure the place that changes most, and no other"
    text = words_in(folder / "run.h5", "--measures", "induction")
    assert "induction (layer 1" in text and "prev token" not in text
    write_run(folder / "minimal.h5", 20, minimal=True)
    assert "v previous" in words_in(folder / "minimal.h5") and "W off diagonal" in words_in(folder / "minimal.h5")


def check_refusals(folder):
    write_run(folder / "run.h5", 4)
    for arguments, words in ((["--set", "ic"], "has no test set 'ic'; it has: iid, unigram_misleads"),
                             (["--measures", "omega"], "has no measure 'omega'; it has: induction, induction_chance, prev_token"),
                             (["--probe", "1"], "--probe does nothing for a run of markov_chains")):
        done = plot(folder / "run.h5", *arguments)
        assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr, done


def main():
    check_phases()
    with tempfile.TemporaryDirectory() as name:
        check_figures(pathlib.Path(name))
        check_refusals(pathlib.Path(name))


main()
