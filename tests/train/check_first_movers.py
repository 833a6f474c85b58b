"""Asks scripts/first_movers.py which measures move first in runs whose ways are planted here: as runs, as a sweep's folder, and as its
collected file, in the layouts of docs/run_file.md and docs/sweep_file.md."""

import json
import pathlib
import subprocess
import tempfile

import h5py
import numpy as np

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "first_movers.py"
STEPS = np.arange(0, 101, 10)
SEEDS, KINDS, DEPTHS = (0, 1, 2), ("memory", "attention"), (2, 1)
LATER = {"memory": 0, "attention": 20}  # all goes as many steps later


def jump(at):
    """From 0 to 1, half-way or beyond from step `at` on."""
    return (STEPS >= at).astype(float)


def planted(kind, seed):
    """Accuracy [step, evalset] and measures {name: (axes, [step, ...])} of one run."""
    late = LATER[kind] + 10 * seed
    accuracy = np.stack([jump(40 + late), jump(10)], axis=1)
    two_heads = np.stack([0.3 * jump(10), -1.2 * jump(20 + late) - 0.8 * jump(90)], axis=1)  # head 1 changes most
    there_and_back = np.where((STEPS > 20) & (STEPS < 80), 1.0, 0.0) + 0.1 * jump(100)
    overshooting = jump(30 + late) * np.where(STEPS == STEPS[-1], 1, 1.5)
    half_life = np.where(STEPS < 20, np.inf, 1 - jump(60 + late))
    return accuracy, {"theta": (("step", "head"), two_heads), "surprise": (("step",), there_and_back), "alpha": (("step",), overshooting),
                      "half_life": (("step",), half_life), "still": (("step",), np.full(len(STEPS), 3.0)),
                      "questions_by_distance": (("step", "head"), np.stack([jump(10)] * 2, axis=1))}


def write_group(file, name, coordinates, variables):
    """coordinates {axis: values}, variables {name: (axes, values)}."""
    group = file.create_group(name)
    for axis, values in coordinates.items():
        group[axis] = [v.encode() for v in values] if isinstance(values[0], str) else values
        group[axis].make_scale(axis)
    for variable, (axes, values) in variables.items():
        text = isinstance(values, np.ndarray) and values.dtype.kind == "U"
        data = group.create_dataset(variable, data=np.char.encode(values) if text else values)
        for i, axis in enumerate(axes):
            data.dims[i].attach_scale(group[axis])


def write_run(path, kind, seed, status="done"):
    accuracy, measures = planted(kind, seed)
    path.mkdir(parents=True)
    with h5py.File(path / "run.h5", "w") as file:
        file.attrs.update(status=status, config_yaml=f"system: planted\nseed: {seed}\nmodel:\n  mixer:\n    kind: {kind}  # the way to remember\n")
        write_group(file, "eval", {"step": STEPS, "evalset": ["test", "longer"]}, {"accuracy": (("step", "evalset"), accuracy)})
        write_group(file, "progress", {"step": STEPS, "head": [0, 1]}, measures)


def write_sweep(folder):
    jobs = []
    for kind in KINDS:
        for seed in SEEDS:
            jobs.append({"id": f"{kind}{seed}", "settings": {"model.mixer.kind": kind, "seed": str(seed)}})
            write_run(folder / "runs" / jobs[-1]["id"], kind, seed)
    (folder / "manifest.json").write_text(json.dumps({"jobs": jobs}))


def write_sweep_file(path):
    """Kinds zipped with depths, and seeds. The runs were measured at every step of STEPS, another one in between as well."""
    steps = np.sort(np.append(STEPS, 55))
    axes = {"model.mixer.kind": KINDS, "seed": SEEDS, "step": steps}

    def gathered(of):
        own = np.array([[of(kind, seed) for seed in SEEDS] for kind in KINDS], float)
        wide = np.full((*own.shape[:2], len(steps), *own.shape[3:]), np.nan)
        wide[:, :, np.isin(steps, STEPS)] = own
        return wide

    def along_runs(values):
        return ("model.mixer.kind", "seed"), np.array(values)

    coordinates = {"model.mixer.depth": (("model.mixer.kind",), np.array(DEPTHS)),
                   "status": along_runs([["done"] * len(SEEDS)] * len(KINDS)), "run": along_runs([["runs/x"] * len(SEEDS)] * len(KINDS))}
    names = planted(KINDS[0], SEEDS[0])[1]
    with h5py.File(path, "w") as file:
        file.attrs["sweep_schema_version"] = 1
        write_group(file, "eval", {**axes, "evalset": ["test", "longer"]},
                    {**coordinates, "accuracy": ((*axes, "evalset"), gathered(lambda kind, seed: planted(kind, seed)[0]))})
        write_group(file, "progress", {**axes, "head": [0, 1]},
                    {**coordinates, **{name: ((*tuple(axes)[:2], *own), gathered(lambda kind, seed: planted(kind, seed)[1][name][1]))
                                       for name, (own, _) in names.items()}})


def movers(*arguments, rc=0):
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True)
    assert done.returncode == rc and "Traceback" not in done.stderr, done
    return done


def groups(*arguments):
    return json.loads(movers(*arguments, "--json").stdout)["groups"]


def check_numbers(found, further_settings):
    """The medians are those of seed 1."""
    assert [group["settings"] for group in found] == [{"model.mixer.kind": kind, **more} for kind, more in zip(KINDS, further_settings)]
    for kind, group in zip(KINDS, found):
        late = LATER[kind] + 10
        assert group["runs"] == 3
        assert group["outcome"] == {"measure": "accuracy (test)", "step": 40 + late, "first": 30 + late, "last": 50 + late, "runs": 3}
        steps = [(row["measure"], row["step"]) for row in group["measures"]]
        assert steps == [("theta", 20 + late), ("alpha", 30 + late), ("half_life", 60 + late)], steps


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_sweep(folder / "sweep")
        check_numbers(groups(folder / "sweep"), ({}, {}))
        runs = [folder / "sweep" / "runs" / f"{kind}{seed}" for kind in KINDS for seed in SEEDS]
        check_numbers(groups(*runs), ({}, {}))
        write_sweep_file(folder / "sweep.h5")
        check_numbers(groups(folder / "sweep.h5"), [{"model.mixer.depth": str(depth)} for depth in DEPTHS])

        lines = movers(folder / "sweep").stdout.splitlines()
        assert lines[0] == "model.mixer.kind=memory: 3 runs" and [line.split()[0] for line in lines[2:6]] == ["theta", "alpha", "accuracy", "half_life"]
        assert lines[4].split() == ["accuracy", "(test)", "50", "40-60", "3", "<"], lines[4]
        assert groups(runs[0], "--set", "longer")[0]["outcome"]["step"] == 10

        write_run(folder / "broken", "memory", 7, status="interrupted")
        told = movers(runs[0], folder / "broken")
        assert "1 of 2 runs are not done" in told.stderr and "1 run\n" in told.stdout
        (folder / "text").write_text("no HDF5")
        for arguments, words in (([folder / "broken"], "no run is done"), ([folder / "nowhere"], "there is no"),
                                 ([runs[0], "--set", "ood"], "there is no test set 'ood'; these runs have: test, longer"),
                                 ([folder / "text"], "text is not an HDF5 file")):
            assert words in movers(*arguments, rc=2).stderr, words


main()
