#!/usr/bin/python3
"""Draws a run's figure from its run.h5, for a screen or a paper. What it shows depends on the system that was trained:

icl_classification   loss, accuracy, progress measures, and attention maps before, during and after the jump, which is where the
                     accuracy on one test set (--set; the one that the run watches) first reaches a level (--level)
icl_minimal          the same, and the model's three numbers
icl_split            loss and accuracy of the whole and of either part, and attention's two numbers
icl_regression       loss beside known predictors' risks, omega and mu of each head, pattern measures, and the heads' circuits at the
                     end and on the way
icl_regression_deep  loss, and error against the number of pairs seen
titans_regression    the same, and what moves inside
markov_chains        loss beside known predictors', divergence from them with the phases it shows, what moves inside, loss by position
lama                 loss, accuracy beside Naive Bayes and by length, attention's entropy and peak, texts as the heads read them, and each
                     head's words

Needs h5py and matplotlib, which Debian installs for /usr/bin/python3.
"""

import argparse
import pathlib
import re
import sys

try:
    import h5py

    from plots import icl_classification, icl_regression, icl_regression_deep, icl_split, lama, markov_chains, titans, titans_regression
    from plots.common import WrongInput
except ImportError as missing:
    sys.exit(f"plot_run.py: {missing}: run it as /usr/bin/python3 scripts/plot_run.py, after apt install python3-h5py python3-matplotlib")

# Each module draws with draw(path, options, out) and names the options it knows, with their defaults.
FIGURES = {
    "icl_classification": icl_classification,
    "icl_minimal": icl_classification,
    "icl_split": icl_split,
    "icl_regression": icl_regression,
    "icl_regression_deep": icl_regression_deep,
    "titans_regression": titans_regression,
    "lama": lama,
    "markov_chains": markov_chains,
    **{f"titans_{task}": titans for task in ("recall", "needle", "copy", "tracking")},
}


def find_run_file(given):
    path = pathlib.Path(given)
    if path.is_dir():
        path = path / "run.h5"
    if not path.is_file():
        raise WrongInput(f"there is no {path}: give a run's folder or its run.h5")
    if not h5py.is_hdf5(path):
        raise WrongInput(f"{path} is not an HDF5 file")
    return path


def figure_of(path):
    """The module that draws this run."""
    with h5py.File(path) as file:
        system = file.attrs.get("system")
        if system is None:  # its config says it too
            found = re.search(r"^system:\s*(\S+)", str(file.attrs.get("config_yaml", "")), re.MULTILINE)
            system = found and found[1]
    if system is None:
        raise WrongInput(f"{path} does not say which system was trained: is it the run.h5 of a saltus run?")
    if system not in FIGURES:
        raise WrongInput(f"{path} is a run of {system}; there are figures for {', '.join(FIGURES)}")
    return system, FIGURES[system]


def options_for(system, module, args):
    """The module's options as they were given, or else their defaults."""
    given = {name: value for name, value in vars(args).items() if name not in ("run", "out") and value is not None}
    for name in given:
        if name not in module.OPTIONS:
            raise WrongInput(f"--{name.replace('_', '-')} does nothing for a run of {system}")
    return {**module.OPTIONS, **given}


def main():
    parser = argparse.ArgumentParser(prog="plot_run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run's folder, or its run.h5")
    parser.add_argument("--out", help="FILE.png, .pdf or .svg (run.png beside run.h5)")
    parser.add_argument("--log-step", action="store_true", default=None, help="logarithmic step axis, without step 0 (regression: always)")
    parser.add_argument("--measures", type=lambda text: text.split(","), help="names from /progress, by comma, for the panel of measures")
    parser.add_argument("--probe", type=int, help="number of the probe sequence whose attention is drawn (0)")
    parser.add_argument("--set", help="test set whose accuracy shows the jump (the one that the run watches), or whose references are drawn")
    parser.add_argument("--classes", type=int, help="so many classes in the table of words, those that the model is surest of (all)")
    parser.add_argument("--level", type=float, help="accuracy that counts as the jump (0.5)")
    args = parser.parse_args()
    try:
        path = find_run_file(args.run)
        out = pathlib.Path(args.out) if args.out else path.with_name("run.png")
        if out.suffix not in (".png", ".pdf", ".svg"):
            raise WrongInput(f"--out {out}: the name must end in .png, .pdf or .svg")
        system, module = figure_of(path)
        module.draw(path, options_for(system, module, args), out)
    except (WrongInput, OSError) as error:
        print(f"plot_run.py: {error}", file=sys.stderr)
        return 2
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
