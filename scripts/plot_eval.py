#!/usr/bin/python3
"""Draws risk against the length of the context from the files of `saltus eval --lengths`, one line a file, beside the references of the
first: plot_eval.py runs/a/eval.h5 runs/b/eval.h5 --out lengths.pdf.

On Debian: apt-get install python3-h5py python3-matplotlib."""
import argparse
import os
import sys

import h5py
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def draw(ax, path, evalset, with_references):
    with h5py.File(path) as file:
        data = file["eval"]
        sets = list(data["evalset"].asstr()[:])
        if "length" not in data or evalset not in sets:
            raise ValueError(f"{path} holds no lengths or no test set {evalset}; it has: {', '.join(sets)}")
        at, length = sets.index(evalset), data["length"][:]
        name = os.path.basename(os.path.dirname(os.path.abspath(path))) or path
        ax.errorbar(length, data["loss"][:, at], data["loss_standard_error"][:, at], marker="o", ms=3, label=name)
        if with_references and "risk" in data:
            for i, predictor in enumerate(data["predictor"].asstr()[:]):
                ax.plot(length, data["risk"][:, at, i], lw=0.9, ls="--", color=f"C{9 - i}", label=predictor.replace("_", " "))


def main():
    parser = argparse.ArgumentParser(prog="plot_eval.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", help="files that `saltus eval --lengths` wrote")
    parser.add_argument("--evalset", default="test", help="test set to draw (default: test)")
    parser.add_argument("--out", help="picture to write, .png or .pdf (default: beside the first file, .png)")
    arguments = parser.parse_args()
    figure, ax = plt.subplots(figsize=(5.5, 4), layout="constrained")
    try:
        for i, path in enumerate(arguments.results):
            draw(ax, path, arguments.evalset, i == 0)
    except (OSError, KeyError, ValueError) as error:
        print(f"plot_eval.py: {error}", file=sys.stderr)
        return 2
    ax.set(xlabel="length of the context", ylabel="loss", yscale="log")
    ax.legend(fontsize=8)
    out = arguments.out or arguments.results[0].removesuffix(".h5") + ".png"
    figure.savefig(out, dpi=150)
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
