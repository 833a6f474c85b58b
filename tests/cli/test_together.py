"""Small runs of a sweep that are trained several at once, in one process, as if each were alone."""
import os
import signal

from command import SMALL
from test_sweep import LONG, SweepTest, wait_until


class Together(SweepTest):
    def begun(self, job):
        """Whether the job's run has saved a state to go on from."""
        return os.path.exists(self.path("sweep", "runs", job, "state.bin"))

    def test_jobs_that_are_alike_are_trained_at_once_to_the_bytes_of_each_alone(self):
        # Two tasks of the same shapes, and one whose network is another.
        self.create(SMALL, "seed=0,1", "task.within_class_noise=0,0.5")
        kinds = {job["step"]["kind"] for job in self.manifest()["jobs"]}
        self.assertEqual(len(kinds), 1)
        out, _ = self.work()
        self.assertEqual(out.count("done"), 4)
        self.assertEqual(len({self.record(job)["seconds"] for job in self.job_ids()}), 1, "each is a quarter of the time of one process")
        self.assert_runs_as_if_trained_alone(SMALL)

        self.create(SMALL, "seed=0,1", "model.n_heads=1,2", out="heads")
        self.assertEqual(len({job["step"]["kind"] for job in self.manifest("heads")["jobs"]}), 2)
        self.work(out="heads")
        self.assert_runs_as_if_trained_alone(SMALL, out="heads")

    def test_runs_end_at_steps_of_their_own(self):
        self.create(SMALL, "steps=10,60,35", "seed=0,1")
        self.work()
        self.assert_runs_as_if_trained_alone(SMALL)

    def test_one_that_diverges_leaves_the_others_alone(self):
        overrides = ["optimizer.kind=sgd"]
        self.create(SMALL, *overrides, "optimizer.learning_rate=0.05,1e9,0.04")
        out, _ = self.work(rc=1)
        self.assertEqual(self.states(), ["done", "diverged", "done"])
        second = self.record(self.job_ids()[1])
        self.assertEqual(second["last_exit_code"], 3)
        self.assertIn("training diverged at step", second["last_error"])
        _, alone = self.saltus("train", SMALL, *overrides, "optimizer.learning_rate=1e9", "--out", self.path("alone"), rc=3)
        self.assertIn(second["last_error"], alone)

    def test_one_whose_folder_cannot_be_written_fails_alone(self):
        self.create(SMALL, "seed=0..2")
        os.makedirs(self.path("sweep", "runs"), exist_ok=True)
        broken = self.job_ids()[1]
        with open(self.path("sweep", "runs", broken), "w") as file:
            file.write("in the way")
        self.work(rc=1)
        self.assertEqual(self.states(), ["done", "failed", "done"])

    def test_one_that_cannot_be_gone_on_with_fails_alone(self):
        self.create(*LONG, "seed=0..2", "steps=3000")
        ids = self.job_ids()
        process = self.started("work", self.path("sweep"))
        wait_until(lambda: all(self.begun(job) for job in ids))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), 75)
        with open(self.path("sweep", "runs", ids[1], "run.h5"), "w") as file:
            file.write("damaged")
        self.work(rc=1)
        self.assertEqual(self.states(), ["done", "failed", "done"])
        self.assertIn("run.h5", self.record(ids[1])["last_error"])
        self.assertEqual([self.record(job)["last_error"] for job in (ids[0], ids[2])], ["", ""])

    def test_after_a_crash_of_the_process_each_is_tried_alone(self):
        self.create(*LONG, "seed=0..2", "steps=1500")
        worker = self.started("work", self.path("sweep"))
        wait_until(lambda: all(self.begun(job) for job in self.job_ids()))
        with open(f"/proc/{worker.pid}/task/{worker.pid}/children") as children:
            (child,) = children.read().split()
        os.kill(int(child), signal.SIGKILL)
        out, err = worker.communicate(timeout=60)
        self.assertEqual(worker.returncode, 0, out + err)
        self.assertEqual(out.count("open again"), 3)
        self.assertEqual([self.record(job)["attempts"] for job in self.job_ids()], [2, 2, 2])
        self.assert_runs_as_if_trained_alone(*LONG, "steps=1500")

    def test_stopped_and_killed_ones_go_on_from_where_each_was(self):
        self.create(*LONG, "seed=0..3", "steps=300,400")
        ids = self.job_ids()
        for sig, code in [(signal.SIGINT, 75), (signal.SIGKILL, -9)]:
            process = self.started("work", self.path("sweep"))
            wait_until(lambda: any(self.begun(job) for job in ids) or process.poll() is not None)
            process.send_signal(sig)
            self.assertIn(process.wait(), (code, 0))
        self.work()
        self.assertEqual(set(self.states()), {"done"})
        self.assert_runs_as_if_trained_alone(*LONG)

    def test_no_worker_takes_more_than_its_share(self):
        self.create(SMALL, "seed=0..3")
        self.work("--workers", "2", "--max-jobs", "2")
        self.assertEqual(self.states(), ["done", "done", "pending", "pending"])
        self.work("--workers", "4", "--max-jobs", "1")
        self.assertEqual(self.states(), ["done", "done", "done", "pending"])
