"""`saltus sweep collect`: one file with the swept keys as dimensions, compared entry by entry with the runs that it was made from."""
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

import h5py
import numpy as np
import xarray

from command import SALTUS, SMALL, CommandTest

GROUPS = ["train", "eval", "progress", "events"]


class Collect(CommandTest):
    def sweep(self, section, out="sweep", config=SMALL):
        """Creates a sweep over the small network; returns its jobs as the manifest has them."""
        self.write(f"{out}.yaml", f"inherit: {config}\nsweep:\n" + "".join(f"  {line}\n" for line in section))
        self.saltus("sweep", "create", f"{out}.yaml", "--out", out)
        return json.loads(self.read(f"{out}/manifest.json"))["jobs"]

    def work(self, *args, out="sweep", rc=0):
        return self.saltus("sweep", "work", out, "--quiet", *args, rc=rc)

    def collect(self, *args, out="sweep"):
        return json.loads(self.saltus("sweep", "collect", out, "--json", *args)[0])

    def open(self, group, file="sweep/sweep.h5"):
        with xarray.open_dataset(self.path(file), engine="h5netcdf", group=group) as data:
            return data.load()

    def assert_holds_run(self, collected, group, run):
        """Every number of a group of this run is in `collected` (one job's part of the file), and nothing but NaN beside them."""
        with xarray.open_dataset(self.path("sweep", run, "run.h5"), engine="h5netcdf", group=group) as own:
            for name, values in own.data_vars.items():
                spread = values.load().reindex({dim: collected[dim] for dim in values.dims})
                self.assertEqual(collected[name].dims, values.dims)
                np.testing.assert_array_equal(collected[name].values, spread.values, err_msg=f"{group}/{name}")

    def test_a_grid_becomes_dimensions_and_holds_each_runs_numbers(self):
        jobs = self.sweep(["model.n_heads: [1, 2]", "optimizer.learning_rate: [0.05, 0.001]", "seed: 3..5"])
        self.work()
        told = self.collect()
        self.assertEqual(told, {"file": "sweep/sweep.h5", "collected": 12, "diverged": [], "missing": []})
        axes = ("model.n_heads", "optimizer.learning_rate", "seed")
        evals = self.open("eval")
        self.assertEqual(evals.loss.dims, axes + ("step", "evalset"))
        self.assertEqual(evals["model.n_heads"].values.tolist(), [1, 2])
        self.assertEqual(evals["optimizer.learning_rate"].values.tolist(), [0.05, 0.001])
        self.assertEqual(evals.seed.dtype, np.int64)
        self.assertEqual(evals.step.values.tolist(), [0, 20, 40, 60])
        self.assertEqual(evals.evalset.values.tolist(), ["iid", "ic", "ic2", "iw", "ciwl"])
        self.assertEqual(evals.step.attrs["units"], "optimizer steps")
        self.assertEqual(self.open("train").loss.dims, axes + ("step",))
        self.assertEqual(self.open("progress").item_label.dims, axes + ("step", "layer", "head"))
        self.assertEqual(self.open("events").width.dims, axes + ("event",))
        for job in jobs:
            where = {key: json.loads(value) for key, value in job["settings"].items()}
            run = evals.run.sel(where).item()
            self.assertEqual(run, f"runs/{job['id']}")
            for group in GROUPS:
                self.assert_holds_run(self.open(group).sel(where), group, run)
        two_heads = self.open("progress").item_label.sel({"model.n_heads": 1})
        self.assertTrue(two_heads.sel(head=1).isnull().all() and two_heads.sel(head=0).notnull().all())

    def test_run_collects_at_its_end(self):
        self.write("study.yaml", f"inherit: {SMALL}\nsweep:\n  seed: [0, 1]\n")
        out, _ = self.saltus("sweep", "run", "study.yaml", "--quiet")
        self.assertIn("collected 2 of 2 runs into sweeps/study/sweep.h5\n", out)
        self.assertTrue(self.open("eval", "sweeps/study/sweep.h5").loss.notnull().all())

    def test_jumps_are_collected(self):
        jobs = self.sweep(["seed: [0, 3]"], config=os.path.join(os.path.dirname(SMALL), "jumping.yaml"))
        self.work()
        self.collect()
        events = self.open("events")
        self.assertEqual(events.step.dims, ("seed", "event"))
        self.assertTrue(events.step.notnull().any())
        for job in jobs:
            self.assert_holds_run(events.sel(seed=int(job["settings"]["seed"])), "events", f"runs/{job['id']}")

    def test_a_zip_is_one_dimension_with_the_other_keys_along_it(self):
        self.sweep(["zip: {optimizer.kind: [sgd, adam, adamw], optimizer.learning_rate: [0.05, 0.01, 0.002]}", "seed: [0, 1]"])
        self.work()
        self.collect()
        evals = self.open("eval")
        self.assertEqual(evals.loss.dims, ("optimizer.kind", "seed", "step", "evalset"))
        self.assertEqual(evals["optimizer.kind"].values.tolist(), ["sgd", "adam", "adamw"])
        rates = evals.coords["optimizer.learning_rate"]
        self.assertEqual((rates.dims, rates.values.tolist()), (("optimizer.kind",), [0.05, 0.01, 0.002]))
        self.assertEqual(float(self.open("train").sel({"optimizer.kind": "adam"}).learning_rate[0, 0]), 0.01)

    def test_steps_are_the_union_over_all_runs(self):
        jobs = self.sweep(["zip: {steps: [40, 60], eval.every: [10, 15]}"])
        self.work()
        self.collect()
        evals = self.open("eval")
        self.assertEqual(evals.step.values.tolist(), [0, 10, 15, 20, 30, 40, 45, 60])
        self.assertEqual(evals.loss.sel(steps=40, evalset="ic").notnull().values.tolist(), [True, True, False, True, True, True, False, False])
        for job in jobs:
            self.assert_holds_run(evals.sel(steps=int(job["settings"]["steps"])), "eval", f"runs/{job['id']}")

    def test_what_is_not_over_is_nan_and_named(self):
        jobs = self.sweep(["seed: 0..3"])
        self.work("--max-jobs", "2")
        out, _ = self.saltus("sweep", "collect", "sweep")
        self.assertIn("collected 2 of 4 runs into sweep/sweep.h5\n", out)
        self.assertIn(f"  {jobs[3]['id']}  seed=3: missing: pending\n", out)
        evals = self.open("eval")
        self.assertTrue(evals.loss.sel(seed=[2, 3]).isnull().all() and evals.loss.sel(seed=[0, 1]).notnull().all())
        self.assertEqual(evals.run.values.tolist(), [f"runs/{jobs[0]['id']}", f"runs/{jobs[1]['id']}", "", ""])
        self.assertEqual(evals.status.values.tolist(), ["done", "done", "pending", "pending"])
        with h5py.File(self.path("sweep/sweep.h5")) as f:
            self.assertEqual(f.attrs["missing"], f"{jobs[2]['id']} seed=2: pending\n{jobs[3]['id']} seed=3: pending")
        self.work()
        self.assertEqual(self.saltus("sweep", "collect", "sweep", "--quiet"), ("", ""))
        self.assertEqual(self.collect()["missing"], [])
        self.assertTrue(self.open("eval").loss.notnull().all())

    def test_half_a_run_is_not_collected(self):
        jobs = self.sweep(["steps: [60, 100000000]"])
        self.work("--max-jobs", "1")
        self.write("job.yaml", jobs[1]["config_yaml"])
        run = f"sweep/runs/{jobs[1]['id']}"
        process = subprocess.Popen([SALTUS, "train", "job.yaml", "--out", run, "--quiet"], stdout=subprocess.DEVNULL, cwd=self.dir)
        while not os.path.exists(self.path(run, "state.bin")):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), 75)
        self.assertEqual([job["why"] for job in self.collect()["missing"]], ["interrupted"])
        evals = self.open("eval")
        self.assertEqual(evals.step.values.tolist(), [0, 20, 40, 60], "steps of the other run leave no trace")
        self.assertTrue(evals.loss.sel(steps=100000000).isnull().all())

    def test_a_run_that_is_broken_or_of_another_config_is_named(self):
        jobs = self.sweep(["seed: 0..2"])
        self.work()
        run = [f"sweep/runs/{job['id']}/run.h5" for job in jobs]
        shutil.copy(self.path(run[0]), self.path(run[1]))
        with h5py.File(self.path(run[2]), "r+") as f:
            del f["eval"]["loss"].attrs["DIMENSION_LIST"]
        missing = {job["job"]: job["why"] for job in self.collect()["missing"]}
        self.assertEqual(missing["seed=1"], f"{run[1]} is the run of another config")
        self.assertEqual(missing["seed=2"], f"{run[2]}: eval/loss has an axis without a name")

    def test_a_diverged_run_is_there_as_far_as_it_came(self):
        jobs = self.sweep(["optimizer.learning_rate: [0.05, 1e30]"])
        self.work(rc=1)
        told = self.collect()
        self.assertEqual([job["id"] for job in told["diverged"]], [jobs[1]["id"]])
        diverged = self.open("eval").isel({"optimizer.learning_rate": 1})
        self.assertEqual(diverged.status.item(), "diverged")
        self.assertTrue(diverged.loss.sel(step=0).notnull().all() and diverged.loss.sel(step=60).isnull().all())

    def test_the_order_of_the_work_leaves_no_trace(self):
        section = ["seed: 0..3", "model.n_heads: [1, 2]"]
        self.sweep(section)
        self.work("--threads", "2")
        jobs = self.sweep(section, out="other")
        for job in reversed(jobs):
            self.write("job.yaml", job["config_yaml"])
            self.saltus("train", "job.yaml", "--out", f"other/runs/{job['id']}", "--quiet")
        self.collect()
        self.collect(out="other")
        self.assertTrue(self.read("sweep/sweep.h5") == self.read("other/sweep.h5"), "equal bytes")
        h5py.File(self.path("other/sweep.h5"), "r+")["eval/loss"][0, 0, 0, 0] = 7  # the comparison can fail
        self.assertFalse(self.read("sweep/sweep.h5") == self.read("other/sweep.h5"))

    def test_the_old_file_stays_when_there_is_nothing_to_collect_or_nowhere_to_write(self):
        self.sweep(["seed: [0, 1]"])
        self.write("sweep/sweep.h5", "old")
        _, err = self.saltus("sweep", "collect", "sweep", rc=1)
        self.assertEqual(err, "there is nothing to collect: none of the 2 runs of sweep is over\n")
        self.assertEqual(self.read("sweep/sweep.h5"), b"old")
        self.work()
        self.assertIn("cannot write nowhere/x.h5: ", self.saltus("sweep", "collect", "sweep", "--out", "nowhere/x.h5", rc=1)[1])
        self.collect("--out", "x.h5")
        self.assertEqual(self.open("eval", "x.h5").sizes["seed"], 2)
        self.assertIn("holds no sweep", self.saltus("sweep", "collect", ".", rc=2)[1])
        self.assertEqual([name for name in os.listdir(self.dir) + os.listdir(self.path("sweep")) if name.endswith(".tmp")], [])

    def test_a_full_disk_is_an_error_and_leaves_the_old_file(self):
        self.sweep(["seed: [0, 1]"])
        self.work()
        self.write("sweep/sweep.h5", "old")
        # No file may grow beyond 20 KiB: for a writer, that is a full disk.
        limited = "ulimit -f 20; trap '' XFSZ; exec \"$0\" sweep collect sweep"
        done = subprocess.run(["bash", "-c", limited, SALTUS], capture_output=True, text=True, cwd=self.dir)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^cannot write sweep/sweep.h5: .*File too large\n$")
        self.assertEqual(self.read("sweep/sweep.h5"), b"old")
        self.assertFalse(os.path.exists(self.path("sweep/.sweep.h5.tmp")))


if __name__ == "__main__":
    unittest.main()
