"""Draws the figure of a run that synthetic_run wrote, and meets scripts/plot_run.py with wrong input.

Usage: check_plot.py <synthetic_run program>
"""

import pathlib
import subprocess
import sys
import tempfile

PLOT = pathlib.Path(__file__).parents[2] / "scripts" / "plot_run.py"


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


main()
