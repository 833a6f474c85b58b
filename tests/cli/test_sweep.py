"""Sweeps as their users meet them: created, worked on by several processes that die, fail and are stopped, gone on with, enlarged."""
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

import h5py

from command import HERE, SALTUS, SMALL, CommandTest

JUMPING = os.path.join(HERE, "jumping.yaml")
# Runs that can be gone on with from many places.
LONG = [JUMPING, "checkpoints.every=50"]

with open(SMALL) as file:
    SMALL_TEXT = file.read()


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it never happened")
        time.sleep(0.005)


class SweepTest(CommandTest):
    def create(self, *args, out="sweep", rc=0):
        return self.saltus("sweep", "create", *args, "--out", self.path(out), rc=rc)

    def run_sweep(self, *args, out="sweep", rc=0):
        return self.saltus("sweep", "run", *args, "--out", self.path(out), rc=rc)

    def work(self, *args, out="sweep", rc=0):
        return self.saltus("sweep", "work", self.path(out), *args, rc=rc)

    def started(self, *args):
        """The program in the background, in a process group of its own as from a terminal."""
        process = subprocess.Popen([SALTUS, "sweep", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.dir,
                                   start_new_session=True)

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def manifest(self, out="sweep"):
        return json.loads(self.read(f"{out}/manifest.json"))

    def job_ids(self, out="sweep"):
        return [job["id"] for job in self.manifest(out)["jobs"]]

    def record(self, job, out="sweep"):
        return json.loads(self.read(f"{out}/jobs/{job}.json"))

    def leases(self, out="sweep"):
        return [name for name in os.listdir(self.path(out, "leases")) if not name.startswith(".")]

    def status(self, out="sweep"):
        return json.loads(self.saltus("sweep", "status", self.path(out), "--json")[0])

    def states(self, out="sweep"):
        return [job["state"] for job in self.status(out)["list"]]

    def touched(self, job, out="sweep"):
        """What would change if anything wrote the job's files again."""
        run = self.path(out, "runs", job, "run.h5")
        return os.stat(run).st_mtime_ns, os.stat(run).st_ino, self.record(job, out)["attempts"]

    def assert_runs_as_if_trained_alone(self, config, *overrides, out="sweep"):
        """Every job's run.h5 has the datasets of one uninterrupted `saltus train` of that combination."""
        for job in self.manifest(out)["jobs"]:
            settings = [f"{key}={value}" for key, value in job["settings"].items()]
            alone = "alone-" + job["id"]
            if not os.path.exists(self.path(alone)):
                self.saltus("train", config, *overrides, *settings, "--out", self.path(alone), "--quiet")
            self.assert_same_datasets(f"{alone}/run.h5", f"{out}/runs/{job['id']}/run.h5")
            self.assertEqual(self.read(f"{alone}/config.yaml"), job["config_yaml"].encode())


class Creating(SweepTest):
    def test_the_manifest_is_frozen_and_the_same_sweep_is_not_made_twice(self):
        config = self.write("x.yaml", SMALL_TEXT + "sweep:\n  model.n_heads: [1, 2]\n  seed: 3..4\n")
        out, _ = self.create(config)
        self.assertIn("4 jobs: 0 done, 4 pending", out)
        before = self.read("sweep/manifest.json")
        manifest = self.manifest()
        self.assertEqual(manifest["axes"], [{"key": "model.n_heads", "values": ["1", "2"]}, {"key": "seed", "values": ["3", "4"]}])
        self.assertEqual([job["settings"] for job in manifest["jobs"]], [{"model.n_heads": h, "seed": s} for h in "12" for s in "34"])
        self.assertIn("holds this sweep already", self.create(config)[0])
        self.assertEqual(before, self.read("sweep/manifest.json"))
        # What becomes of the file does not matter to what was created from it.
        self.write("x.yaml", "broken")
        self.work("--max-jobs", "1")
        self.assertEqual(self.states(), ["done", "pending", "pending", "pending"])

    def test_the_folder_is_named_after_the_config(self):
        self.saltus("sweep", "create", SMALL, "seed=0,1")
        self.assertTrue(os.path.exists(self.path("sweeps/small/manifest.json")))

    def test_one_impossible_combination_refuses_the_sweep_and_creates_nothing(self):
        config = self.write("x.yaml", SMALL_TEXT + "sweep:\n  seed: 0..1\n  shards: [1, 3]\n")
        _, err = self.create(config, rc=2)
        self.assertIn("x.yaml:12:15: error: shards: shards (3) must divide batch_size (32)\n  12 |   shards: [1, 3]\n     |               ^\n", err)
        self.assertIn("in job 2 of 4: seed=0 shards=3", err)
        self.assertFalse(os.path.exists(self.path("sweep")))

    def test_unknown_keys_and_bad_values_are_the_config_readers_messages(self):
        _, err = self.create(SMALL, "model.n_haeds=1,2", rc=2)
        self.assertIn("override 1 'model.n_haeds=1,2': unknown key 'model.n_haeds' (did you mean 'model.n_heads'?)", err)
        _, err = self.create(SMALL, "seed=range(0,4,0)", rc=2)
        self.assertIn("the step must not be 0", err)
        _, err = self.create(SMALL, rc=2)
        self.assertIn("no key is swept", err)
        self.saltus("sweep", "work", self.path("nowhere"), rc=2)
        self.assertFalse(os.path.exists(self.path("sweep")))

    def test_training_a_sweep_file_says_what_it_is(self):
        config = self.write("x.yaml", SMALL_TEXT + "sweep:\n  seed: 0..1\n")
        _, err = self.saltus("train", config, "--out", self.path("run"), rc=2)
        self.assertIn("'sweep' describes many runs: `saltus sweep run` trains them", err)

    def test_help_shows_the_grammar_and_an_example(self):
        out, _ = self.saltus("sweep", "run", "--help")
        for part in ["log(1e-4,1e-1,7)", "range(1,9,2)", "0..9", "zip:", "saltus sweep run configs/"]:
            self.assertIn(part, out)


class Working(SweepTest):
    def test_run_does_it_all(self):
        out, err = self.run_sweep(SMALL, "optimizer.kind=sgd,adam", "seed=0..1", "--workers", "2")
        self.assertIn("4 jobs: 4 done", out)
        self.assertIn("4 jobs: 4 done", err)
        self.assertNotIn("\x1b", err)
        self.assertEqual(self.states(), ["done"] * 4)
        self.assertEqual(self.leases(), [])
        self.assertEqual(sorted(os.listdir(self.path("sweep/jobs"))), sorted(job + ".json" for job in self.job_ids()))
        self.assert_runs_as_if_trained_alone(SMALL)

    def test_quiet_says_nothing_on_the_way(self):
        _, err = self.run_sweep(SMALL, "seed=0..1", "--quiet")
        self.assertEqual(err, "")
        self.create(SMALL, "seed=5,6", out="other")
        self.assertEqual(self.work("--quiet", out="other"), ("", ""))

    def test_a_larger_sweep_reuses_what_is_done(self):
        self.run_sweep(SMALL, "seed=0..1")
        first = self.job_ids()
        before = [self.touched(job) for job in first]
        out, _ = self.run_sweep(SMALL, "seed=0..3")
        self.assertIn("4 jobs: 2 done, 2 pending", out)
        self.assertEqual(self.job_ids()[:2], first)
        self.assertEqual([self.touched(job) for job in first], before)
        self.assertEqual(self.states(), ["done"] * 4)

    def test_status_as_json_and_text(self):
        self.create(SMALL, "seed=0..2")
        self.work("--max-jobs", "1")
        status = self.status()
        counts = {state: status[state] for state in ["pending", "running", "done", "diverged", "failed", "interrupted"]}
        self.assertEqual(counts, {"pending": 2, "running": 0, "done": 1, "diverged": 0, "failed": 0, "interrupted": 0})
        self.assertEqual(status["jobs"], 3)
        first, second = status["list"][:2]
        self.assertEqual((first["state"], first["settings"], first["attempts"], first["last_exit_code"]), ("done", {"seed": "0"}, 1, 0))
        self.assertGreater(first["seconds"], 0)
        self.assertEqual((second["state"], second["attempts"], second["last_exit_code"]), ("pending", 0, None))
        out, _ = self.saltus("sweep", "status", self.path("sweep"))
        self.assertEqual(out, "3 jobs: 1 done, 2 pending\n")

    def test_status_watches_until_nothing_is_left(self):
        self.create(SMALL, "seed=0..3")
        watcher = self.started("status", self.path("sweep"), "--watch")
        self.work()
        out, _ = watcher.communicate(timeout=30)
        self.assertEqual(watcher.returncode, 0)
        self.assertEqual(out.splitlines()[-1], "4 jobs: 4 done")


class Failing(SweepTest):
    def test_a_failing_job_does_not_stop_the_others_and_can_be_retried(self):
        self.create(SMALL, "seed=0..2")
        broken = self.job_ids()[1]
        self.write(f"sweep/runs/{broken}", "a file where the run's folder should be")
        out, _ = self.work(rc=1)
        self.assertRegex(out, rf"failed +{broken}  seed=1  .*\n  .*{broken}")
        self.assertEqual(self.states(), ["done", "failed", "done"])
        self.assertIn(broken, self.status()["list"][1]["last_error"])
        out, _ = self.saltus("sweep", "status", self.path("sweep"))
        self.assertRegex(out, rf"failed +{broken}  seed=1\n  .*{broken}")
        # Nobody tries again by himself.
        before = [self.touched(job) for job in self.job_ids() if job != broken]
        self.work(rc=1)
        self.assertEqual(self.record(broken)["attempts"], 1)
        self.assertIn("1 job is open again", self.saltus("sweep", "retry", self.path("sweep"))[0])
        os.remove(self.path("sweep/runs", broken))
        self.work()
        self.assertEqual(self.states(), ["done"] * 3)
        self.assertEqual(self.record(broken)["attempts"], 2)
        self.assertEqual([self.touched(job) for job in self.job_ids() if job != broken], before)
        self.assertIn("0 jobs are open again", self.saltus("sweep", "retry", self.path("sweep"))[0])
        self.assert_runs_as_if_trained_alone(SMALL)

    def test_divergence_is_a_state_of_its_own(self):
        _, err = self.run_sweep(SMALL, "optimizer.learning_rate=0.01,1e30,0.02", rc=1)
        self.assertRegex(err, r"diverged +\w+  optimizer.learning_rate=1.0e\+30\n  .*training diverged at step")
        self.assertEqual(self.states(), ["done", "diverged", "done"])
        self.assertEqual(self.record(self.job_ids()[1])["last_exit_code"], 3)
        self.assertIn("0 jobs", self.saltus("sweep", "retry", self.path("sweep"), "--failed")[0])
        self.assertIn("1 job is open again", self.saltus("sweep", "retry", self.path("sweep"), "--diverged")[0])
        self.assertEqual(self.states(), ["done", "pending", "done"])

    def test_on_error_stop_begins_no_further_job(self):
        self.create(SMALL, "optimizer.learning_rate=0.01,1e30,0.02")
        # As one of three workers, so that it takes one job at a time.
        self.work("--on-error", "stop", "--workers", "3", rc=1)
        self.assertEqual(self.states(), ["done", "diverged", "pending"])
        self.work("--on-error", "stop", "--workers", "3", rc=1)
        self.assertEqual(self.states(), ["done", "diverged", "pending"])
        self.work("--on-error", "continue", rc=1)
        self.assertEqual(self.states(), ["done", "diverged", "done"])

    def test_another_build_is_refused_until_the_sweep_is_created_with_it(self):
        command = [*LONG, "steps=20,1400"]
        self.create(*command)
        worker = self.started("work", self.path("sweep"))
        second = self.job_ids()[1]
        wait_until(lambda: os.path.exists(self.path("sweep/runs", second, "state.bin")))
        worker.send_signal(signal.SIGTERM)
        worker.wait()
        self.assertEqual(self.states(), ["done", "interrupted"])
        first = self.touched(self.job_ids()[0])

        other = self.path("other-saltus")
        shutil.copy(SALTUS, other)
        with open(other, "ab") as f:
            f.write(b"\0")  # runs as before, but is not the same file
        refused = subprocess.run([other, "sweep", "work", self.path("sweep")], capture_output=True, text=True)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("another build of saltus", refused.stderr)
        done = subprocess.run([other, "sweep", "run", *command, "--out", self.path("sweep")], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("created by another build; its open jobs are this one's now", done.stdout)
        self.assertEqual(self.states(), ["done", "done"])
        self.assertEqual(self.touched(self.job_ids()[0]), first)
        with h5py.File(self.path("sweep/runs", second, "run.h5")) as f:
            self.assertNotIn("resumed", f.attrs)  # it was started again, not put together from two builds


class Stopping(SweepTest):
    def begun(self, job, out="sweep"):
        """Whether the job's run has saved a state to go on from."""
        return os.path.exists(self.path(out, "runs", job, "state.bin"))

    def test_a_killed_workers_job_is_taken_over(self):
        self.create(*LONG, "steps=3000,700,701")
        first = self.job_ids()[0]
        victim = self.started("work", self.path("sweep"), "--workers", "3")
        wait_until(lambda: self.begun(first))
        survivor = self.started("work", self.path("sweep"), "--workers", "3", "--stay")
        wait_until(lambda: self.begun(self.job_ids()[1]))
        self.assertEqual(self.states()[:2], ["running", "running"])
        _, err = self.create(SMALL, "seed=0,1", rc=2)
        self.assertIn("holds another sweep, and a worker", err)
        victim.kill()
        out, err = survivor.communicate(timeout=60)
        self.assertEqual(survivor.returncode, 0, out + err)
        self.assertEqual(self.states(), ["done"] * 3)
        self.assertEqual([self.record(job)["attempts"] for job in self.job_ids()], [2, 1, 1])
        with h5py.File(self.path("sweep/runs", first, "run.h5")) as f:
            self.assertRegex(f.attrs["resumed"], r"^step [1-9]\d*, ")
        self.assert_runs_as_if_trained_alone(*LONG)

    def test_ctrl_c_and_the_same_command_again_lose_and_repeat_nothing(self):
        command = ["run", *LONG, "steps=200,201,2500,2501", "--workers", "2", "--out", self.path("sweep")]
        process = self.started(*command)
        wait_until(lambda: os.path.exists(self.path("sweep/manifest.json")))
        jobs = self.job_ids()
        wait_until(lambda: self.begun(jobs[2]) and self.states()[0] == "done")
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 75, err)
        self.assertIn("the same command goes on", out)
        at_stop = {job["id"]: job for job in self.status()["list"]}
        states = {job: at_stop[job]["state"] for job in jobs}  # the last one's run may not have begun
        done = {job: self.touched(job) for job in jobs if states[job] == "done"}
        self.assertTrue(done, states)
        self.assertEqual(states[jobs[2]], "interrupted")

        self.saltus("sweep", *command)
        self.assertEqual(self.states(), ["done"] * 4)
        self.assertEqual({job: self.touched(job) for job in done}, done)
        for job in jobs:
            self.assertEqual(self.record(job)["attempts"], at_stop[job]["attempts"] + (states[job] != "done"))
        with h5py.File(self.path("sweep/runs", jobs[2], "run.h5")) as f:
            self.assertRegex(f.attrs["resumed"], r"^step [1-9]\d*, ")
        self.assert_runs_as_if_trained_alone(*LONG)
        # Once more changes nothing at all.
        all_done = [self.touched(job) for job in jobs]
        self.saltus("sweep", *command)
        self.assertEqual([self.touched(job) for job in jobs], all_done)

    def test_a_worker_stopped_by_either_signal_saves_its_job(self):
        for sig in [signal.SIGINT, signal.SIGTERM]:
            out = sig.name
            self.create(*LONG, "seed=0..1", out=out)
            worker = self.started("work", self.path(out), "--workers", "2")
            first = self.job_ids(out)[0]
            wait_until(lambda: self.begun(first, out))
            worker.send_signal(sig)
            self.assertEqual(worker.wait(timeout=30), 75)
            self.assertEqual(self.states(out), ["interrupted", "pending"])
            self.assertEqual(self.record(first, out)["last_exit_code"], 75)
            self.assertEqual(self.leases(out), [])

    def test_a_second_signal_ends_a_training_that_does_not_react_to_the_first(self):
        self.create(*LONG, "steps=100000000", "sweep.seed=0")
        worker = self.started("work", self.path("sweep"))
        job = self.job_ids()[0]
        wait_until(lambda: self.begun(job))
        with open(f"/proc/{worker.pid}/task/{worker.pid}/children") as f:
            training = int(f.read())
        os.kill(training, signal.SIGSTOP)
        worker.send_signal(signal.SIGTERM)
        with self.assertRaises(subprocess.TimeoutExpired):
            worker.wait(timeout=0.5)
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(timeout=30), 75)
        self.assertEqual(self.states(), ["interrupted"])

    def test_a_worker_that_lost_its_lease_leaves_the_job_to_the_new_holder(self):
        self.create(*LONG, "steps=100000000", "sweep.seed=0")
        worker = self.started("work", self.path("sweep"), "--lease-seconds", "0.4")
        job = self.job_ids()[0]
        wait_until(lambda: self.begun(job))
        os.remove(self.path("sweep/leases", job))
        lease = self.write(f"sweep/leases/{job}", "elsewhere 1 1 another-boot 1000\n")
        out, _ = worker.communicate(timeout=30)
        self.assertEqual(out, "lost seed=0: this worker was taken for dead, and another has the job\n")
        self.assertEqual(worker.returncode, 0)
        self.assertTrue(os.path.exists(lease))
        self.assertEqual(self.states(), ["running"])
        self.assertEqual(self.record(job)["last_exit_code"], None)

    def test_workers_of_a_killed_run_stop_by_themselves(self):
        process = self.started("run", *LONG, "steps=100000000", "seed=0,1", "--workers", "2", "--out", self.path("sweep"))
        wait_until(lambda: os.path.exists(self.path("sweep/manifest.json")))
        jobs = self.job_ids()
        wait_until(lambda: all(self.begun(job) for job in jobs))
        process.kill()
        wait_until(lambda: self.states() == ["interrupted"] * 2)
        self.assertEqual([self.record(job)["last_exit_code"] for job in jobs], [75, 75])


if __name__ == "__main__":
    unittest.main()
