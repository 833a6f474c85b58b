"""Draws sweeps with scripts/plot_sweep.py, from files written here in the layout of docs/sweep_file.md with trends that are planted."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "plot_sweep.py"
STEPS = np.array([0, 100, 200, 300])
CLASSES, SYSTEMS, SEEDS, SETS = [64, 256, 1024], ["network", "minimal"], [0, 1], ["iid", "ic"]


def write_sweep(folder, accuracy):
    """accuracy [class, system, seed, step, evalset]"""
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "sweep.h5", "w") as file:
        file.attrs["sweep_schema_version"] = 1
        group = file.create_group("eval")
        axes = {"task.n_classes": np.array(CLASSES), "system": np.array(SYSTEMS, dtype="S"), "seed": np.array(SEEDS), "step": STEPS, "evalset": np.array(SETS, dtype="S")}
        for name, values in axes.items():
            group[name] = values
            group[name].make_scale(name)
        shapes = {"accuracy": (accuracy, list(axes)), "status": (np.full((3, 2, 2), b"done"), list(axes)[:3])}
        for name, (values, along) in shapes.items():
            data = group.create_dataset(name, data=values)
            for i, axis in enumerate(along):
                data.dims[i].attach_scale(group[axis])


def planted():
    """ic accuracy at the end: K / 1024 for the network, falling with K for the minimal model; half of it at step 200, nothing before.
    Runs with K = 64 stop at step 200."""
    accuracy = np.zeros((3, 2, 2, 4, 2))
    end = np.array([[k / 1024 for k in CLASSES], [0.9, 0.5, 0.1]]).T  # [class, system]
    for step, share in ((2, 0.5), (3, 1.0)):
        accuracy[:, :, :, step, 1] = share * end[:, :, None]
    accuracy[0, :, :, 3] = np.nan
    return accuracy


class PlotSweep(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.sweep = pathlib.Path(self.folder.name) / "classes"
        write_sweep(self.sweep, planted())

    def run_script(self, *arguments):
        return subprocess.run([sys.executable, SCRIPT, self.sweep, *arguments], capture_output=True, text=True)

    def test_the_last_measured_accuracy_and_the_direction_of_each_curve(self):
        done = self.run_script("--sets", "ic")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines()[:4], [
            "system=network",
            "  ic         against task.n_classes: 64: 0.031 (0.000), 256: 0.250 (0.000), 1024: 1.000 (0.000)   tau +1.00",
            "system=minimal",
            "  ic         against task.n_classes: 64: 0.450 (0.000), 256: 0.500 (0.000), 1024: 0.100 (0.000)   tau -0.33",
        ])
        self.assertTrue((self.sweep / "sweep.png").stat().st_size > 1000)

    def test_the_step_of_a_crossing_lies_between_evaluations_and_may_be_missing(self):
        done = self.run_script("--sets", "ic", "--crossing", "0.25", "--out", str(self.sweep / "crossing.pdf"))
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertIn("64: -, 256: 300 (0), 1024: 150 (0)", lines[1])
        self.assertIn("64: 156 (0), 256: 200 (0), 1024: -", lines[3])
        self.assertTrue((self.sweep / "crossing.pdf").is_file())

    def test_each_run_is_read_where_another_set_is_best(self):
        accuracy = planted()
        accuracy[:, :, :, 1, 0] = 0.9  # iid is best at step 100, where ic is still 0
        accuracy[2, 0, 1, 2, 0] = 0.95  # but in one run at step 200
        write_sweep(self.sweep, accuracy)
        done = self.run_script("--sets", "ic", "--at-best", "iid")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("64: 0.000 (0.000), 256: 0.000 (0.000), 1024: 0.250 (0.354)", done.stdout.splitlines()[1])

    def test_the_keys_of_a_zip_are_one_axis_without_a_direction(self):
        with h5py.File(self.sweep / "sweep.h5", "r+") as file:
            group = file["eval"]
            group["task.n_labels"] = np.array([8, 16, 16])
            group["task.n_labels"].dims[0].attach_scale(group["task.n_classes"])
        done = self.run_script("--sets", "ic", "--x", "task.n_labels")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines()[1], "  ic         against task.n_classes, task.n_labels: 64, 8: 0.031 (0.000), "
                         "256, 16: 0.250 (0.000), 1024, 16: 1.000 (0.000)")

    def test_what_is_above_the_level_from_the_start_does_not_cross_it(self):
        accuracy = planted()
        accuracy[1, 0, :, :, 1] = 0.9
        write_sweep(self.sweep, accuracy)
        self.assertIn("256: -, 1024: 150 (0)", self.run_script("--sets", "ic", "--crossing", "0.25").stdout)

    def test_what_cannot_be_drawn_is_refused_with_what_there_is(self):
        for arguments, words in ((["--x", "task.noise"], "it sweeps: task.n_classes, system"), (["--sets", "iw"], "these runs have: iid, ic"),
                                 (["--at-best", "validation"], "these runs have: iid, ic"), (["--measure", "los"], "it has: accuracy"), ([str(self.sweep / "nothing")], "there is no")):
            done = self.run_script(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(words, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
