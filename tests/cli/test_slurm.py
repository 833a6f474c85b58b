"""Sweeps on a Slurm cluster: a real one of one node, started for the test (slurm_cluster.py)."""
import json
import os
import signal
import unittest

import h5py

import slurm_cluster
from command import JUMPING, SALTUS, CommandTest

PATIENCE = 120  # seconds for anything that takes a few on an idle machine


def workers_of(folder):
    """The ids of the processes `saltus sweep work <folder>`."""
    pids = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                words = f.read().decode(errors="replace").split("\0")
        except OSError:
            continue  # gone meanwhile
        if words[1:4] == ["sweep", "work", folder]:
            pids.append(int(entry))
    return sorted(pids)


class SweepTest(CommandTest):
    def create(self, folder, seeds, steps):
        """A sweep of jumping.yaml: as many seeds as named, each with two learning rates."""
        with open(JUMPING) as f:
            text = f.read().replace("steps: 1400", f"steps: {steps}")
        config = self.write("sweep.yaml", f"{text}sweep: {{optimizer.learning_rate: [0.003, 0.002], seed: {seeds}}}\n")
        self.saltus("sweep", "create", config, "--out", self.path(folder))

    def states(self, folder):
        """{job id: state}"""
        out, _ = self.saltus("sweep", "status", self.path(folder), "--json")
        return {job["id"]: job["state"] for job in json.loads(out)["list"]}

    def done(self, folder):
        return [job for job, state in self.states(folder).items() if state == "done"]

    def saved(self, folder):
        return [job for job in self.states(folder) if os.path.exists(self.path(folder, "runs", job, "state.bin"))]


class OnACluster(SweepTest):
    @classmethod
    def setUpClass(cls):
        reason = slurm_cluster.missing()
        if reason is None:
            try:
                slurm_cluster.rename_host()
            except OSError as e:
                reason = f"cannot keep a Slurm cluster to the loopback here ({e})"
        if reason is not None:
            raise unittest.SkipTest(reason)
        # Two tasks at a time, two in an array: three workers need two arrays.
        cls.cluster = slurm_cluster.SlurmCluster(cpus=2, max_array_size=2)
        cls.addClassCleanup(cls.cluster.stop)

    def saltus(self, *args, **kwargs):
        return super().saltus(*args, env=self.cluster.environment, **kwargs)

    def wait_for(self, condition, what):
        self.cluster.wait_for(condition, PATIENCE, what)

    def submit(self, folder, *args):
        """Returns the ids of the submitted arrays, from the sweep's own record."""
        self.saltus("sweep", "submit", self.path(folder), "--launcher", "slurm", "--lease-seconds", "2", *args)
        with open(self.path(folder, "slurm.json")) as f:
            return [int(s["job"]) for s in json.load(f)["submissions"]]

    def start_now(self, task):
        """Slurm lets a requeued task wait for two minutes; the test does not."""
        job, index = task
        self.wait_for(lambda: self.cluster.queue().get(task) == "PENDING", f"task {task} to be back in the queue")
        self.cluster.command("scontrol", "update", f"JobId={job}_{index}", "StartTime=now")

    def all_finished(self):
        """Whether the queue is empty. On a busy machine Slurm may lose touch with its node and requeue a task by itself."""
        queue = self.cluster.queue()
        for (job, index), state in queue.items():
            if state == "PENDING":
                self.cluster.command("scontrol", "update", f"JobId={job}_{index}", "StartTime=now", check=False)
        return not queue

    def output_of(self, folder, task):
        with open(self.path(folder, "slurm", "{}_{}.out".format(*task))) as f:
            return f.read()

    def test_a_sweep_with_a_killed_and_a_stopped_worker_equals_the_local_one(self):
        self.create("cluster", "0..9", 1000)
        first, second = self.submit("cluster", "--workers", "3", "--partition", "tiny")
        self.assertEqual(set(self.cluster.queue()), {(first, 0), (first, 1), (second, 0)})
        self.wait_for(lambda: len(workers_of(self.path("cluster"))) == 2 and self.done("cluster"), "two workers and the first run")
        out, _ = self.saltus("sweep", "status", self.path("cluster"))
        self.assertRegex(out, rf"slurm: 2 workers running, 1 waiting( \(\w+\))?; jobs {first}, {second}\n")

        # One worker dies without a word. Slurm has it as failed; somebody puts it back into the queue.
        killed = workers_of(self.path("cluster"))[0]
        os.kill(killed, signal.SIGKILL)
        self.wait_for(lambda: len(set(self.cluster.queue()) & {(first, 0), (first, 1)}) == 1, "Slurm to notice the dead worker")
        self.assertLess(len(self.done("cluster")), 20, "the worker died in the middle")
        dead, = {(first, 0), (first, 1)} - set(self.cluster.queue())
        self.assertIn("Killed", self.output_of("cluster", dead))
        self.cluster.command("scontrol", "requeue", "{}_{}".format(*dead))
        self.start_now(dead)

        # The other gets the signal that comes before the time limit: it saves, and its script puts it back into the queue.
        stopped = (first, 1 - dead[1])
        self.cluster.command("scancel", "--batch", "--signal=USR1", "{}_{}".format(*stopped))
        self.start_now(stopped)
        self.assertIn("Restarts=1 ", self.cluster.command("scontrol", "show", "job", "{}_{}".format(*stopped)))
        self.assertLess(len(self.done("cluster")), 20, "the worker was stopped in the middle")

        self.wait_for(self.all_finished, "the workers to finish")
        self.assertEqual(len(self.done("cluster")), 20)
        out, _ = self.saltus("sweep", "status", self.path("cluster"))
        self.assertIn(f"slurm: no workers left of jobs {first}, {second}\n", out)
        out, _ = self.saltus("sweep", "submit", self.path("cluster"))
        self.assertIn("nothing to submit", out)

        self.saltus("sweep", "run", self.path("sweep.yaml"), "--out", self.path("local"), "--workers", "2")
        self.assertEqual(sorted(self.done("local")), sorted(self.done("cluster")))
        for job in self.done("local"):
            self.assert_same_datasets(f"local/runs/{job}/run.h5", f"cluster/runs/{job}/run.h5")
        for folder in ("local", "cluster"):
            out, _ = self.saltus("sweep", "collect", self.path(folder), "--out", self.path(f"{folder}.h5"))
            self.assertIn("collected 20 of 20 runs", out)
        self.assert_same_datasets("local.h5", "cluster.h5")

    def test_cancelled_workers_save_their_runs_and_stay_away(self):
        self.create("cluster", "0..1", 100000000)
        job, = self.submit("cluster", "--workers", "2")
        self.wait_for(lambda: len(self.saved("cluster")) == 4, "each worker's two runs to have saved something")
        out, _ = self.saltus("sweep", "cancel", self.path("cluster"))
        self.assertIn(f"cancelled Slurm's {job}:", out)
        self.assertIn(f"slurm: no workers left of job {job}\n", out)
        self.assertEqual(sorted(self.states("cluster").values()), ["interrupted"] * 4)
        for run in self.saved("cluster"):
            with h5py.File(self.path("cluster/runs", run, "run.h5")) as f:
                self.assertEqual(f.attrs["status"], "interrupted", "it saved when told to, and was not just killed")
        self.assertEqual(workers_of(self.path("cluster")), [])
        self.assertEqual(self.cluster.queue(), {})
        out, _ = self.saltus("sweep", "cancel", self.path("cluster"))
        self.assertIn("nothing to cancel", out)

    def test_other_peoples_jobs_are_left_alone(self):
        self.create("cluster", "0..1", 100000000)
        script = self.write("other.sbatch", "#!/bin/bash\nsleep 600\n")
        other = int(self.cluster.command("sbatch", "--parsable", "--job-name=saltus-cluster", "--output=/dev/null", script))
        self.addCleanup(self.cluster.command, "scancel", str(other))
        self.submit("cluster", "--workers", "1")
        self.saltus("sweep", "cancel", self.path("cluster"))
        self.wait_for(lambda: list(self.cluster.queue().values()) == ["RUNNING"], "the other job to be alone")

    def test_what_slurm_refuses_is_told_in_its_words(self):
        self.create("cluster", "0..1", 100)
        _, err = self.saltus("sweep", "submit", self.path("cluster"), "--partition", "nowhere", rc=1)
        self.assertIn("sbatch refused", err)
        self.assertIn("invalid partition specified: nowhere", err)
        self.assertFalse(os.path.exists(self.path("cluster/slurm.json")))

    def test_a_dry_run_shows_the_arrays_and_submits_nothing(self):
        self.create("cluster", "0..1", 100)
        out, _ = self.saltus("sweep", "submit", self.path("cluster"), "--dry-run", "--array-limit", "1")
        self.assertIn("#SBATCH --array=0-1%1\n", out)
        self.assertEqual(out.count("#   sbatch --parsable --array=0-1%1 "), 2, "four jobs, four workers, two in an array")
        self.assertEqual({"slurm", "slurm.json"} & set(os.listdir(self.path("cluster"))), set())
        self.assertEqual(self.cluster.queue(), {})


class WithoutSlurm(SweepTest):
    """On a machine without Slurm; one that has it is made to look so by an empty PATH."""

    def saltus(self, *args, **kwargs):
        return super().saltus(*args, env=dict(os.environ, PATH=self.dir), **kwargs)

    def setUp(self):
        super().setUp()
        self.create("sweep", "0..1", 100)

    def test_submit_and_cancel_say_what_is_missing(self):
        _, err = self.saltus("sweep", "submit", self.path("sweep"), rc=2)
        self.assertIn("sbatch not found", err)
        self.assertIn(f"saltus sweep work {self.path('sweep')}", err)
        _, err = self.saltus("sweep", "cancel", self.path("sweep"), rc=2)
        self.assertIn("nothing was submitted", err)

    def test_a_dry_run_assumes_slurms_default(self):
        out, _ = self.saltus("sweep", "submit", self.path("sweep"), "--dry-run", "--workers", "1002", "--time", "01:00:00")
        self.assertIn("#SBATCH --array=0-500\n#SBATCH", out)
        self.assertIn("#SBATCH --time=01:00:00\n", out)
        self.assertIn(f"\n{SALTUS} sweep work {self.path('sweep')} --threads 1 --workers 1002 &\n", out)
        self.assertIn("MaxArraySize = 1001, was assumed", out)

    def test_bad_options_are_refused(self):
        for args, words in [(["--time", "1h"], "not a time limit"), (["--time", "2"], "no time to train"), (["--launcher", "pbs"], "pbs"),
                            (["--cpus", "0"], "--cpus")]:
            _, err = self.saltus("sweep", "submit", self.path("sweep"), "--dry-run", *args, rc=2)
            self.assertIn(words, err)

    def test_the_status_of_a_sweep_submitted_elsewhere_says_so(self):
        self.write("sweep/slurm.json", '{"version": 1, "submissions": [{"job": "17", "workers": 2, "submitted": "2024-05-01T12:00:00Z"}]}')
        out, _ = self.saltus("sweep", "status", self.path("sweep"))
        self.assertIn("slurm: job 17; cannot ask after them: squeue not found\n", out)
        self.write("sweep/slurm.json", '{"version": 1')
        _, err = self.saltus("sweep", "cancel", self.path("sweep"), rc=1)
        self.assertIn("slurm.json is damaged", err)


if __name__ == "__main__":
    unittest.main()
