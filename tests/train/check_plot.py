"""Draws the figure of a run that synthetic_run wrote, and with what other runs hold, and meets scripts/plot_run.py with wrong input.

Usage: check_plot.py <synthetic_run program>
"""

import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"
PLOT = SCRIPTS / "plot_run.py"
sys.path.insert(0, str(SCRIPTS))
sys.dont_write_bytecode = True
from plots import icl_classification, icl_split  # noqa: E402 (its folder has just been named)
import matplotlib.pyplot as plt  # noqa: E402 (plots has chosen a backend without a display)


def plot(*arguments):
    return subprocess.run([PLOT, *arguments], capture_output=True, text=True)


def check_figures(run):
    for out, magic in (("figure.png", b"\x89PNG"), ("figure.pdf", b"%PDF"), ("figure.svg", b"<?xml")):
        done = plot(run, "--out", run / out, "--log-step")
        assert done.returncode == 0 and not done.stderr, done.stderr
        assert (run / out).read_bytes().startswith(magic)
    figure = (run / "figure.svg").read_text()
    for words in ("ic 50%: step 2,9", "item label (layer 0)", "target item label (layer 1)", "during: step 3,000"):
        assert words in figure, f"the figure says '{words}'"
    assert plot(run, "--measures", "prev_token,context_label_mass").returncode == 0
    assert (run / "run.png").exists(), "the figure's place when --out is not given"


def check_what_the_run_watches(run):
    """A run that watches iid, as one with the target's class outside the context does: its jump, its chance levels, what moves in it."""
    with h5py.File(run / "run.h5", "a") as file:
        events = {"step_10": 2700.0, "step_90": 3300.0, "width": 600.0, "before": 0.03}
        for name, value in events.items():
            file[f"events/{name}"] = [value]
        file["events/before"].attrs["long_name"] = "iid accuracy before the jump"
        sets = file["eval/evalset"][:]
        file["references/evalset"] = sets
        file["references/guess"] = [b"any_label", b"context_label", b"target_alone", b"labels_alone"]
        file["references/guess_accuracy"] = [[1 / 32, np.nan, 1 / 3, 0.42]] + [[1 / 32, 1 / 8, 1 / 32, np.nan]] * (len(sets) - 1)
    done = plot(run, "--out", run / "watched.svg")
    assert done.returncode == 0, done.stderr
    text = (run / "watched.svg").read_text()
    for words in ("iid 50%: step ", "chance on iid", "before: step 2,000"):
        assert words in text, f"the figure says '{words}'"
    assert icl_classification.Run(run / "run.h5", "ic", 0.5).jump_set == "ic", "unless another is asked for"
    with h5py.File(run / "run.h5") as file:
        levels = icl_classification.chance_levels(file, "iid")
        assert levels == {"any label": 1 / 32, "target alone": 1 / 3, "labels alone": 0.42}, "no formula, no line"
        assert icl_classification.chance_levels(file, "ic") == {"any label": 1 / 32, "a context label": 1 / 8}, "one line a level"


def check_measures_that_move(run):
    def shown(wanted=None):
        return icl_classification.chosen_measures(icl_classification.Run(run / "run.h5", None, 0.5), wanted)

    with h5py.File(run / "run.h5", "a") as file:
        file["progress/target_item_label"][:] = 0
        assert "target_self" not in file["progress"]
        axes = [file["progress"][axis] for axis in ("step", "layer", "head")]
        for name, top in (("target_self", 0.2), ("other", 0.9)):
            data = file.create_dataset(f"progress/{name}", data=np.linspace(0, top, len(axes[0]))[:, None, None] * [[0.5], [1]])
            for i, axis in enumerate(axes):
                data.dims[i].attach_scale(axis)
    assert shown() == ["item_label", "target_labels", "context_label_accuracy"]
    assert shown(["target_item_label"]) == ["target_item_label"], "asked for, it is drawn though it stays at 0"
    with h5py.File(run / "run.h5", "a") as file:
        file["progress/target_self"][:] = 3 * file["progress/target_self"][:]
    assert shown()[-1] == "target_self"


def check_first_row():
    """A run that has just begun shows its measures though nothing can have moved."""
    class Run:
        measures = {name: (name, np.zeros(1)) for name in ("prev_token", "item_label")}

    assert icl_classification.chosen_measures(Run, None) == ["item_label"]


def check_moments():
    """Without a jump the middle map is half-way in steps, though most checkpoints are early."""
    class Run:
        jump, ckpt_step = None, np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 1000, 1400, 2000, 3000])

    assert icl_classification.Run.map_moments(Run) == [("first", 0), ("halfway", 10), ("last", 12)]


def write_split_run(path):
    """Of icl_split in which one number of the attention is trained and the other stays where it is."""
    steps, sets = np.arange(0, 50, 10), [b"iid", b"ic", b"ic2", b"iw"]
    eval_measures = [part + name for part in ("", "in_context_", "in_weights_") for name in ("loss", "accuracy")]
    rising = steps / 40
    tables = {
        "train": {"loss": 1 - rising},
        "eval": {name: np.tile(rising[:, None], len(sets)) for name in eval_measures},
        "progress": {"content_match": rising, "copy_weight": 0 * rising, "target_item_label": 0 * rising},
    }
    with h5py.File(path, "w") as file:
        file.attrs["system"] = "icl_split"
        for group, variables in tables.items():
            for name, values in {"step": steps, **variables}.items():
                file[f"{group}/{name}"] = values
            file[f"{group}/step"].make_scale("step")
        file["eval/evalset"] = sets


def check_split(folder):
    write_split_run(folder / "split.h5")
    for wanted, labels in ((None, ["content match"]), (["copy_weight"], ["copy weight"])):
        with h5py.File(folder / "split.h5") as file:
            ax = plt.figure().add_subplot()
            icl_split.draw_measures(ax, file, wanted)
        assert [line.get_label() for line in ax.lines] == labels, "those that move, or those asked for"
    assert plot(folder / "split.h5", "--out", folder / "split.png").returncode == 0
    done = plot(folder / "split.h5", "--measures", "induction")
    assert done.returncode == 2 and "has no measure 'induction'; it has: content_match, copy_weight, target_item_label" in done.stderr, done


def check_refusals(run, folder):
    (folder / "text.h5").write_text("no HDF5")
    for arguments, words in (
        ([folder / "absent"], "there is no"),
        ([folder], "there is no"),
        ([folder / "text.h5"], "is not an HDF5 file"),
        ([run, "--set", "ood"], "has no test set 'ood'; it has: iid, ic, ic2, iw, ciwl"),
        ([run, "--measures", "induction"], "has no measure 'induction'; it has: "),
        ([run, "--out", "figure.jpg"], "must end in .png, .pdf or .svg"),
    ):
        done = plot(*arguments)
        assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr, (arguments, done)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        run = folder / "run"
        subprocess.run([sys.argv[1], run], check=True)
        check_figures(run)
        check_refusals(run, folder)
        check_what_the_run_watches(run)
        check_measures_that_move(run)
        check_split(folder)
    check_first_row()
    check_moments()


main()
