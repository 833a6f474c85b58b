"""python3 -m peers.picture FILE, with what --json holds on the standard input: saltus' share of each peer's time."""

import json
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from peers.processes import Saltus  # noqa: E402
from peers.report import best, counted  # noqa: E402


def draw(axes, system, tables):
    """One system's bars: a group a peer, a bar a thread count, the best peer's in full colour."""
    names = [name for name in next(iter(tables.values())) if name != Saltus.name]
    height = 0.8 / len(tables)
    for i, (threads, rows) in enumerate(tables.items()):
        for j, name in enumerate(names):
            if name not in rows:
                continue
            share, (low, high) = rows[name]["saltus_share"], rows[name]["saltus_share_quartiles"]
            at = j + (i - (len(tables) - 1) / 2) * height
            is_best = name == best(rows)
            axes.barh(at, share, height, color=f"C{i}", alpha=1 if is_best else 0.45)
            axes.plot([low, high], [at, at], color="black", linewidth=1)
            axes.text(
                max(share, high), at, f" {share:.2f}", va="center", fontsize=7, weight="bold" if is_best else None
            )
        axes.barh(0, 0, color=f"C{i}", label=counted(int(threads)))
    axes.axvline(1, color="black", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(1, *(row.get("saltus_share", 0) for rows in tables.values() for row in rows.values())))
    axes.set_title(system, fontsize=9, loc="left")


def main(file):
    results = json.load(sys.stdin)
    systems = results["systems"]
    counts = [len(next(iter(found["tables"].values()))) for found in systems.values()]
    figure, panels = plt.subplots(
        len(systems), 1, figsize=(8, 1 + 0.42 * sum(counts)), squeeze=False, gridspec_kw={"height_ratios": counts}
    )
    for axes, (system, found) in zip(panels[:, 0], systems.items()):
        draw(axes, system, found["tables"])
    panels[0, 0].legend(fontsize=8, loc="lower right")
    panels[-1, 0].set_xlabel(
        "time of a training step, saltus / peer; lines: quartiles; full colour: the best peer", fontsize=8
    )
    libraries = dict.fromkeys(l for found in systems.values() for l in found["libraries"])
    figure.suptitle(f"{results['machine']}\n{'; '.join(libraries)}", fontsize=8)
    figure.tight_layout()
    figure.savefig(file, dpi=150)


if __name__ == "__main__":
    main(*sys.argv[1:])
