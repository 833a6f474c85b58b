"""Runs that are killed, stopped and resumed end with the datasets of runs that were not."""
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

import h5py
import numpy as np

from command import JUMPING, SALTUS, SMALL, CommandTest
from small_texts import CONFIG, reviews

KILLS = int(os.environ.get("SALTUS_KILLS", "200"))


class Resume(CommandTest):
    def killed_after(self, seconds, *args):
        """Starts the program, kills it with SIGKILL after so many seconds; returns whether it was still running then."""
        process = subprocess.Popen([SALTUS, "train", *args, "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=self.dir)
        try:
            _, err = process.communicate(timeout=seconds)
            self.assertEqual(process.returncode, 0, err)
            return False
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return True

    def resume(self, run, *args, rc=0):
        return self.saltus("train", "--resume", self.path(run), "--quiet", *args, rc=rc)

    def kill_and_resume_until_done(self, config, run, args, choose, life):
        """Kills a run at random moments of its life, resuming it each time, until it ends by itself. Returns the number of kills."""
        kills = 0
        alive = self.killed_after(choose.uniform(0, life), config, "--out", run, *args)
        while alive:
            kills += 1
            if os.path.exists(self.path(run, "run.h5")):
                with h5py.File(self.path(run, "run.h5")) as f:  # a reader finds a whole file after every kill
                    self.assertIn("weights", f)
            if os.path.exists(self.path(run, "config.yaml")):
                alive = self.killed_after(choose.uniform(0, life), "--resume", run, "--threads", str(choose.choice([1, 2])))
            else:
                alive = self.killed_after(choose.uniform(0, life), config, "--out", run, *args)
        return kills

    def test_kills_at_random_moments_of_a_whole_life(self):
        choose = random.Random(5)
        kinds = ["sgd", "momentum", "adam", "adamw"]
        rates = {"sgd": 0.1, "momentum": 0.02, "adam": 0.003, "adamw": 0.003}
        kills, runs, life = 0, 0, {}
        while kills < KILLS:
            kind = kinds[runs % len(kinds)]
            args = [f"optimizer.kind={kind}", f"optimizer.learning_rate={rates[kind]}"]
            if kind not in life:
                begin = time.monotonic()
                self.saltus("train", JUMPING, "--out", kind, "--quiet", *args)
                life[kind] = time.monotonic() - begin
            run = f"run{runs}"
            # Over 1, so that some kills hit the very end and some runs get far at once.
            kills += self.kill_and_resume_until_done(JUMPING, run, args, choose, 1.1 * life[kind])
            self.assert_same_datasets(f"{kind}/run.h5", f"{run}/run.h5")
            self.assertEqual(sorted(os.listdir(self.path(run))), ["config.yaml", "run.h5"])
            shutil.rmtree(self.path(run))
            runs += 1
        with h5py.File(self.path("adam/run.h5")) as f:
            self.assertEqual(len(f["events/step"]), 1, "the comparison covers a jump and what is stored around it")
        print(f"{kills} kills in {runs} runs", end=" ", flush=True)

    def test_kills_of_a_run_whose_batches_are_of_unlike_lengths(self):
        self.write("reviews.tsv", reviews(40))
        config = self.write("lama.yaml", CONFIG)
        args = ["steps=400", "log.every=1", "model.dropout=0.3", "checkpoints.every=40"]
        begin = time.monotonic()
        self.saltus("train", config, "--out", "straight", "--quiet", *args)
        life = time.monotonic() - begin
        choose, kills, runs = random.Random(5), 0, 0
        while kills < min(KILLS, 10):
            kills += self.kill_and_resume_until_done(config, f"run{runs}", args, choose, 1.1 * life)
            self.assert_same_datasets("straight/run.h5", f"run{runs}/run.h5")
            runs += 1

    def test_a_signal_stops_and_the_resumed_run_ends_the_same(self):
        for sig in [signal.SIGINT, signal.SIGTERM]:
            run = sig.name
            process = subprocess.Popen([SALTUS, "train", JUMPING, "--out", self.path(run), "--quiet"], stdout=subprocess.PIPE, text=True)
            while not os.path.exists(self.path(run, "run.h5")):
                time.sleep(0.005)
            time.sleep(0.1)
            process.send_signal(sig)
            out, _ = process.communicate(timeout=30)
            self.assertEqual(process.returncode, 75)
            self.assertIn(f"go on with: saltus train --resume {self.path(run)}", out)
            self.resume(run)
        self.saltus("train", JUMPING, "--out", "straight", "--quiet")
        self.assert_same_datasets("straight/run.h5", "SIGINT/run.h5")
        self.assert_same_datasets("straight/run.h5", "SIGTERM/run.h5")
        with h5py.File(self.path("SIGINT/run.h5")) as f:
            self.assertRegex(f.attrs["resumed"], r"^step \d+, \d{4}-\d\d-\d\dT[\d:]+Z$")

    def stopped_run(self, run):
        """A run that was stopped after its first saved states."""
        process = subprocess.Popen([SALTUS, "train", SMALL, "steps=100000000", "--out", self.path(run), "--quiet"], stdout=subprocess.DEVNULL)
        while not os.path.exists(self.path(run, "state.bin")):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), 75)

    def test_a_run_that_is_done_says_so(self):
        self.train("run", "--quiet")
        before = self.read("run/run.h5")
        out, _ = self.resume("run")
        self.assertIn("is done already", out)
        self.assertEqual(before, self.read("run/run.h5"))

    def test_another_config_is_refused_with_the_difference_and_forced_only_on_record(self):
        self.stopped_run("run")
        before = self.read("run/run.h5")
        _, err = self.resume("run", "optimizer.learning_rate=0.02", rc=2)
        self.assertIn("under another config (--force goes on all the same and records it):\n  optimizer.learning_rate: 0.05 -> 0.02\n", err)
        self.assertIn("--force", err)
        self.assertEqual(before, self.read("run/run.h5"))
        with h5py.File(self.path("run/run.h5")) as f:
            stopped_at = int(f.attrs["steps_taken"])
        self.resume("run", f"steps={stopped_at + 10}", "--force")
        with h5py.File(self.path("run/run.h5")) as f:
            self.assertEqual(f.attrs["status"], "done")
            self.assertEqual(f.attrs["steps_taken"], stopped_at + 10)
            self.assertIn("forced: another config:\n  steps: 100000000 -> ", f.attrs["resumed"])

    def test_another_program_is_refused(self):
        self.stopped_run("run")
        other = self.path("other-saltus")
        shutil.copy(SALTUS, other)
        with open(other, "ab") as f:
            f.write(b"\0")  # runs as before, but is not the same file
        done = subprocess.run([other, "train", "--resume", self.path("run"), "--quiet"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("by another build of saltus (--force goes on all the same and records it)", done.stderr)

    def test_a_live_run_is_left_alone(self):
        # Before its first saved state and after it: neither --resume nor --overwrite may touch what another process writes.
        process = subprocess.Popen([SALTUS, "train", SMALL, "steps=100000000", "checkpoints.every=2000", "--out", self.path("run"), "--quiet"],
                                   stdout=subprocess.DEVNULL)
        for awaited in ["run/run.h5", "run/state.bin"]:
            while not os.path.exists(self.path(awaited)):
                time.sleep(0.002)
            _, err = self.resume("run", rc=2 if awaited == "run/run.h5" and not os.path.exists(self.path("run/state.bin")) else 1)
            self.assertIn("another process", err)
            _, err = self.train("run", "--overwrite", "--quiet", rc=2)
            self.assertIn("is being written by another process", err)
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), 75)
        self.resume("run", "steps=1", "--force", rc=0)

    def test_a_resume_that_fails_changes_nothing(self):
        self.stopped_run("run")
        before = {name: self.read(f"run/{name}") for name in ["config.yaml", "run.h5", "journal.bin", "state.bin"]}
        _, err = self.resume("run", "checkpoints.probes=2", "--force", rc=1)
        self.assertIn("other variables", err)
        self.assertEqual(before, {name: self.read(f"run/{name}") for name in before})

    def test_a_resumed_run_keeps_where_it_came_from(self):
        process = subprocess.Popen([SALTUS, "train", SMALL, "steps=100000000", "--out", self.path("run"), "--quiet"], stdout=subprocess.DEVNULL)
        while not os.path.exists(self.path("run", "state.bin")):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        process.wait()
        names = ["config_source_yaml", "overrides", "created"]
        with h5py.File(self.path("run/run.h5")) as f:
            before, taken, seconds = {name: f.attrs[name] for name in names}, int(f.attrs["steps_taken"]), f.attrs["wall_s"]
        self.assertEqual(before["overrides"], "steps=100000000")
        self.assertIn("A network that trains in a blink", before["config_source_yaml"])
        self.resume("run", f"steps={taken + 1}", "--force")
        with h5py.File(self.path("run/run.h5")) as f:
            self.assertEqual(before, {name: f.attrs[name] for name in names})
            self.assertGreater(f.attrs["wall_s"], seconds)

    def test_a_run_killed_before_its_first_saved_state_keeps_where_it_came_from(self):
        process = subprocess.Popen([SALTUS, "train", SMALL, "steps=100000000", "checkpoints.every=100000000", "--out", self.path("run"), "--quiet"],
                                   stdout=subprocess.DEVNULL)
        while not os.path.exists(self.path("run", "run.h5")):
            time.sleep(0.005)
        process.kill()
        process.wait()
        self.assertFalse(os.path.exists(self.path("run", "state.bin")))
        names = ["config_source_yaml", "overrides", "created"]
        with h5py.File(self.path("run/run.h5")) as f:
            before = {name: f.attrs[name] for name in names}
        self.resume("run", "steps=1")
        with h5py.File(self.path("run/run.h5")) as f:
            self.assertEqual(before, {name: f.attrs[name] for name in names})
            self.assertEqual(f.attrs["overrides"], "steps=100000000 checkpoints.every=100000000")
            self.assertRegex(f.attrs["resumed"], "^step 0, .*: no state had been saved$")
        self.assertEqual(sorted(os.listdir(self.path("run"))), ["config.yaml", "run.h5"])

    def test_a_folder_without_a_run_and_a_damaged_state_are_refused(self):
        _, err = self.resume("nowhere", rc=2)
        self.assertIn(f"{self.path('nowhere')} holds no run", err)
        self.stopped_run("run")
        state = bytearray(self.read("run/state.bin"))
        state[1000] ^= 1
        with open(self.path("run/state.bin"), "wb") as f:
            f.write(state)
        _, err = self.resume("run", rc=1)
        self.assertIn("state.bin is damaged: its checksum is wrong", err)

    def test_a_folder_deleted_under_a_run_ends_it_with_a_clear_error(self):
        process = subprocess.Popen([SALTUS, "train", SMALL, "steps=100000000", "log.flush_seconds=0.05", "--out", self.path("run"), "--quiet"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while not os.path.exists(self.path("run/run.h5")):
            time.sleep(0.005)
        shutil.rmtree(self.path("run"), ignore_errors=True)
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1)
        self.assertIn(self.path("run"), err)
        self.assertEqual(len(err.splitlines()), 1, err)

    def test_plain_h5py_reads_the_file_while_the_run_goes_on(self):
        process = subprocess.Popen([SALTUS, "train", SMALL, "steps=100000000", "log.flush_seconds=0.02", "--out", self.path("run"), "--quiet"],
                                   stdout=subprocess.DEVNULL)
        while not os.path.exists(self.path("run/run.h5")):
            time.sleep(0.005)
        seen = []
        end = time.monotonic() + 60
        while len(seen) < 60 or (len(set(seen)) < 3 and time.monotonic() < end):
            with h5py.File(self.path("run/run.h5")) as f:
                loss, step = f["train/loss"][:], f["train/step"][:]
                self.assertEqual(len(loss), len(step))
                self.assertTrue(np.isfinite(loss).all())
                seen.append(len(step))
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.wait()
        self.assertEqual(seen, sorted(seen))
        self.assertGreaterEqual(len(set(seen)), 3, "the file grew while it was read")


if __name__ == "__main__":
    unittest.main()
