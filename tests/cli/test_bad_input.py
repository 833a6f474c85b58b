"""Bad input gets one clear message and an exit code, and leaves nothing half-written."""
import os
import subprocess
import unittest

import h5py

from command import SMALL, CommandTest

MINIMAL = "system: icl_classification\n"


class BadConfig(CommandTest):
    def refused(self, text, *words, args=()):
        """Training on this config text exits with 2, says these words, and makes no run folder."""
        path = self.write("config.yaml", text)
        _, err = self.train("run", "--quiet", *args, config=path, rc=2)
        for word in words:
            self.assertIn(word, err)
        self.assertNotIn("terminate called", err)
        self.assertLessEqual(len(err.splitlines()), 4, err)
        self.assertFalse(os.path.exists(self.path("run")))
        return err

    def test_empty_file(self):
        self.refused("", "config.yaml", "empty")

    def test_tabs(self):
        self.refused(MINIMAL + "task:\n\tn_classes: 64\n", "config.yaml:3:1", "tab")

    def test_unknown_key(self):
        err = self.refused(MINIMAL + "optimizer:\n  lerning_rate: 0.1\n", "config.yaml:3:3: error: unknown key 'lerning_rate'",
                           "did you mean 'learning_rate'?")
        self.assertEqual(err.splitlines()[1:], ["  3 |   lerning_rate: 0.1", "    |   ^"])

    def test_wrong_type_range_choice_and_duplicate(self):
        self.refused(MINIMAL + "steps: many\n", "config.yaml:2:8", "integer", "many")
        self.refused(MINIMAL + "steps: -5\n", "config.yaml:2:8", "-5", "[0, 4294967295]")
        self.refused(MINIMAL + "optimizer: {kind: adan}\n", "config.yaml:2:19", "adan", "did you mean 'adam'?")
        self.refused(MINIMAL + "steps: 1\nsteps: 2\n", "config.yaml:3:1: error: duplicate key 'steps': it stands on line 2 already")

    def test_sizes_that_no_machine_has(self):
        self.refused(MINIMAL + "eval: {size: 4294967296}\n", "eval.size: must be in [1, 16777216]")
        self.refused(MINIMAL + "batch_size: 4294967296\n", "batch_size: must be in [1, 1048576]")

    def test_impossible_tasks(self):
        self.refused(MINIMAL + "task: {n_classes: 250, n_labels: 32}\n", "config.yaml:2:", "250", "32", "multiple")
        self.refused(MINIMAL + "task: {n_pairs: 8, burstiness: 3}\n", "config.yaml:2:", "8", "3", "divi")
        self.refused(MINIMAL + "task: {n_pairs: 40, max_pairs: 32}\n", "config.yaml:2:", "40", "32")

    def test_impossible_models_and_stops(self):
        self.refused(MINIMAL + "model: {n_heads: 3}\n", "config.yaml:2:", "n_heads (3) must divide d_model (128")
        self.refused(MINIMAL + "batch_size: 10\nshards: 4\n", "config.yaml:3:", "shards (4) must divide batch_size (10)")
        self.refused(MINIMAL + "stop_when: {set: icc, above: 0.5}\n", "there is no test set 'icc'; this task has iid, ic, ic2, iw, ciwl")
        self.refused(MINIMAL + "stop_when: {set: ic, above: 0.5, measure: acuracy}\n", "there is no measure 'acuracy'")

    def test_command_line_overrides_are_checked_like_the_file(self):
        self.refused(MINIMAL, "override 1", "model.n_haeds", "did you mean 'model.n_heads'?", args=["model.n_haeds=2"])
        self.refused(MINIMAL, "override 2", "n_heads", args=["seed=1", "--model.n_heads", "two"])
        self.refused(MINIMAL, "nonsense", args=["nonsense"])

    def test_a_config_that_is_a_folder_or_is_missing(self):
        _, err = self.train("run", config=self.dir, rc=2)
        self.assertIn("folder", err)
        _, err = self.train("run", config=self.path("nowhere.yaml"), rc=2)
        self.assertIn("nowhere.yaml", err)
        self.assertFalse(os.path.exists(self.path("run")))


class BadPlaces(CommandTest):
    def test_a_run_folder_that_cannot_be_made(self):
        self.write("file", "")
        _, err = self.train("file/run", rc=1)
        self.assertIn(self.path("file/run"), err)
        self.assertEqual(len(err.splitlines()), 1, err)

    def on_tmpfs(self, size):
        os.mkdir(self.path("disk"))
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.path("disk")], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest(f"mounting a tmpfs is not permitted here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", self.path("disk")], check=True)

    def test_a_full_disk_at_the_start(self):
        self.on_tmpfs("16k")
        _, err = self.train("disk/run", "--quiet", rc=1)
        self.assertRegex(err, r"disk/run.*(No space left|full)")
        self.assertEqual(len(err.splitlines()), 1, err)

    def test_a_disk_that_fills_up_keeps_the_last_good_file(self):
        self.on_tmpfs("1500k")
        _, err = self.train("disk/run", "--quiet", "steps=1000000", "checkpoints.every=1", "log.flush_seconds=0.01", rc=1)
        self.assertRegex(err, r"disk/run.*(No space left|full)")
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertNotIn(".tmp", " ".join(os.listdir(self.path("disk/run"))))
        with h5py.File(self.path("disk/run/run.h5")) as f:
            self.assertIn("weights", f)


class OtherVerbs(CommandTest):
    def test_describe_lists_every_key(self):
        out, _ = self.saltus("describe", "icl_classification")
        for key in ["steps", "task.n_classes", "model.n_heads", "optimizer.schedule.warmup_steps", "stop_when.above", "seeds.task"]:
            self.assertIn(key, out)
        out, _ = self.saltus("describe")
        self.assertIn("icl_classification", out)
        _, err = self.saltus("describe", "icl_clasification", rc=2)
        self.assertIn("there is no system or study 'icl_clasification'", err)

    def test_plan_prints_instructions_and_totals(self):
        out, _ = self.saltus("plan", SMALL)
        self.assertIn("blocks.0.attn", out)
        self.assertRegex(out, r"\d+ instructions, [\d.]+ [KM]FLOP, [\d.]+ [KM]B moved, arena [\d.]+ [KM]B")

    def test_help_and_unknown_verbs(self):
        out, _ = self.saltus("--help")
        for verb in ["train", "plan", "describe"]:
            self.assertIn(verb, out)
        out, _ = self.saltus("train", "--help")
        self.assertIn("saltus train configs/icl_classification/abrupt.yaml", out)
        self.saltus("trian", rc=2)
        self.saltus(rc=2)


if __name__ == "__main__":
    unittest.main()
