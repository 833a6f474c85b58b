"""`saltus train` as its user meets it: what it writes, that it repeats itself, how it stops."""
import fcntl
import os
import pty
import resource
import signal
import struct
import subprocess
import termios
import time
import unittest

import h5py
import numpy as np
import xarray

from command import HERE, JUMPING, SALTUS, SMALL, CommandTest
from small_texts import CONFIG, reviews


class Train(CommandTest):
    def test_a_run_folder_holds_the_resolved_config_and_one_complete_file(self):
        out, _ = self.train("run", "--quiet")
        self.assertEqual(sorted(os.listdir(self.path("run"))), ["config.yaml", "run.h5"])
        self.assertIn("done after 60 steps", out)
        for word in ["run/run.h5", "scripts/plot_run.py", "xarray", "seed=1"]:
            self.assertIn(word, out)
        with h5py.File(self.path("run/run.h5")) as f:
            self.assertEqual(f.attrs["status"], "done")
            self.assertEqual(f.attrs["parameter_count"], 6 * 24**2 + 24 * 16 + 2 * 16**2 + 3 + 16 * 8)
            self.assertEqual(f.attrs["config_yaml"].encode(), self.read("run/config.yaml"))

    def test_xarray_opens_every_group_with_named_dimensions(self):
        self.train("run", "--quiet")
        dims = {
            "train": {"step": 6},
            "eval": {"step": 4, "evalset": 5},
            "progress": {"step": 4, "layer": 2, "head": 1},
            "weights": {"ckpt_step": 10, "layer": 2, "head": 1, "d_model": 24, "d_head": 24},
            "attention": {"ckpt_step": 10, "probe": 4, "layer": 2, "head": 1, "query": 9, "key": 9},
        }
        for group, expected in dims.items():
            with xarray.open_dataset(self.path("run/run.h5"), engine="h5netcdf", group=group) as ds:
                for name, size in expected.items():
                    self.assertEqual(ds.sizes[name], size, (group, name))
        with xarray.open_dataset(self.path("run/run.h5"), engine="h5netcdf", group="eval") as ds:
            self.assertEqual(list(ds.evalset.values), ["iid", "ic", "ic2", "iw", "ciwl"])
            self.assertEqual(list(ds.step.values), [0, 20, 40, 60])
        with xarray.open_dataset(self.path("run/run.h5"), engine="h5netcdf", group="weights") as ds:
            self.assertEqual(list(ds.ckpt_step.values), [0, 1, 2, 4, 8, 16, 25, 32, 50, 60])

    def test_a_numpy_program_rebuilds_the_logits_from_the_file_alone(self):
        for i, choice in enumerate([
            [],
            ["model.n_heads=2", "model.output_projection=true", "model.scale_attention=true"],
            ["model.n_layers=3", "model.layer_norm=true", "model.scale_attention=true", "model.block_mlp=12"],
            ["model.trainable_labels=true", "model.classifier_bias=per_unit"],
            ["model.n_heads=3", "model.d_head=5", "model.classifier_layers=0", "model.n_layers=1"],
        ]):
            self.train(f"run{i}", "--quiet", *choice)
            done = subprocess.run(["/usr/bin/python3", os.path.join(HERE, "rebuild_logits.py"), self.path(f"run{i}/run.h5")],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, f"{choice}: {done.stderr}")
            self.assertIn("10 snapshots rebuilt", done.stdout)

    def test_same_config_and_seed_give_the_same_bytes_with_one_thread_and_two(self):
        for kind in ["sgd", "adamw"]:
            self.train(kind + "1", "--quiet", "--threads", "1", f"optimizer.kind={kind}", "optimizer.clip_norm=0.5")
            self.train(kind + "2", "--quiet", "--threads", "2", f"optimizer.kind={kind}", "optimizer.clip_norm=0.5")
            self.train(kind + "3", "--quiet", "--threads", "2", f"optimizer.kind={kind}", "optimizer.clip_norm=0.5")
            self.assert_same_datasets(kind + "1/run.h5", kind + "2/run.h5")
            self.assert_same_datasets(kind + "2/run.h5", kind + "3/run.h5")
        self.train("other", "--quiet", "seed=1")
        done = subprocess.run(["h5diff", self.path("sgd1/run.h5"), self.path("other/run.h5"), "/train/loss"], capture_output=True)
        self.assertEqual(done.returncode, 1, "another seed must give other numbers, or the comparison above proves nothing")

    def test_batches_of_unlike_lengths_give_the_same_bytes_with_one_thread_and_two(self):
        self.write("reviews.tsv", reviews(40))
        config = self.write("lama.yaml", CONFIG)
        for threads in ["1", "2"]:
            self.train(threads, "--quiet", "--threads", threads, "steps=60", "log.every=1", "model.dropout=0.3", config=config)
        self.assert_same_datasets("1/run.h5", "2/run.h5")

    def test_each_stream_has_a_seed_of_its_own(self):
        def first(out, *args):
            self.train(out, "--quiet", "steps=0", *args)
            with h5py.File(self.path(out, "run.h5")) as f:
                return f["weights/W_Q"][0], f["attention/tokens"][:], f["eval/loss"][0]

        def losses(out, *args):
            self.train(out, "--quiet", "log.every=1", *args)
            with h5py.File(self.path(out, "run.h5")) as f:
                return f["train/loss"][:], f["eval/loss"][0]

        train, evaluation = losses("losses")
        data = losses("data", "seeds.data=5")
        self.assertFalse(np.array_equal(train, data[0]))
        self.assertTrue(np.array_equal(evaluation, data[1]))
        task = losses("task", "seeds.task=5")
        self.assertFalse(np.array_equal(train, task[0]))
        self.assertFalse(np.array_equal(evaluation, task[1]))
        base, init, test = first("base"), first("init", "seeds.init=5"), first("eval", "seeds.eval=5")
        self.assertFalse(np.array_equal(base[0], init[0]))
        self.assertTrue(np.array_equal(base[1], init[1]))
        self.assertTrue(np.array_equal(base[0], test[0]))
        self.assertFalse(np.array_equal(base[1], test[1]))
        all_of_seed_5 = first("all", "seeds.init=5", "seeds.data=5", "seeds.eval=5", "seeds.task=5")
        self.assertTrue(np.array_equal(first("seed", "seed=5")[2], all_of_seed_5[2]))

    def test_the_resolved_config_is_a_config_and_gives_the_same_run(self):
        self.train("run", "--quiet", "task.burstiness=2", "optimizer.schedule.kind=cosine")
        self.train("again", "--quiet", config=self.path("run/config.yaml"))
        self.assertEqual(self.read("run/config.yaml"), self.read("again/config.yaml"))
        self.assert_same_datasets("run/run.h5", "again/run.h5")

    def test_the_default_folder_names_the_config_and_its_hash(self):
        out, _ = self.saltus("train", SMALL, "--quiet", "steps=0")
        name = os.listdir(self.path("runs"))[0]
        self.assertRegex(name, r"^small-[0-9a-f]{8}$")
        with h5py.File(self.path("runs", name, "run.h5")) as f:
            self.assertTrue(f.attrs["config_hash"].startswith(name.split("-")[1]))

    def test_a_finished_run_is_never_overwritten_unasked(self):
        self.train("run", "--quiet")
        before = self.read("run/run.h5")
        _, err = self.train("run", "--quiet", "seed=3", rc=2)
        self.assertIn(self.path("run"), err)
        self.assertIn("--overwrite", err)
        self.assertEqual(before, self.read("run/run.h5"))
        self.train("run", "--quiet", "--overwrite", "seed=3")
        self.assertNotEqual(before, self.read("run/run.h5"))

    def test_overwriting_removes_the_old_run_only_when_the_new_one_can_begin(self):
        self.train("run", "--quiet")
        before = self.read("run/run.h5")
        self.train("run", "--quiet", "--overwrite", "stop_when.set=foo", "stop_when.above=0.5", rc=2)
        self.assertEqual(before, self.read("run/run.h5"))
        # A step that does not fit into memory.
        too_large = ["batch_size=1048576", "shards=1"]
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        self.saltus("train", SMALL, "--out", self.path("run"), "--quiet", "--overwrite", *too_large, rc=1, preexec_fn=limit)
        self.assertEqual(before, self.read("run/run.h5"))

    def test_a_config_of_the_users_own_in_the_folder_is_not_replaced(self):
        os.mkdir(self.path("mine"))
        with open(SMALL) as f:
            text = self.write("mine/config.yaml", f.read())
        _, err = self.train("mine", "--quiet", config=text, rc=2)
        self.assertIn("mine/config.yaml exists and is not this run's", err)
        self.assertIn(b"# A network that trains", self.read("mine/config.yaml"))

    def test_overwrite_removes_nothing_but_a_run(self):
        os.mkdir(self.path("mine"))
        self.write("mine/thesis.txt", "years of work")
        self.train("mine", "--quiet", "--overwrite")
        self.assertEqual(self.read("mine/thesis.txt"), b"years of work")

    def test_stop_when_ends_the_run_early(self):
        out, _ = self.train("run", "--quiet", "stop_when.set=iid", "stop_when.measure=loss", "stop_when.below=100", "stop_when.evaluations=2")
        self.assertIn("iid loss below 100 for 2 evaluations", out)
        with h5py.File(self.path("run/run.h5")) as f:
            self.assertEqual(f["eval/step"][-1], 20)
            self.assertEqual(f.attrs["status"], "done")
            self.assertEqual(f["weights/ckpt_step"][-1], 20)

    def test_a_jump_is_recorded_with_snapshots_of_every_evaluation_around_it(self):
        # checkpoints.every=25: the evaluation that makes the jump certain is also one whose snapshot is due.
        for every in [200, 25]:
            run = f"run{every}"
            self.train(run, "--quiet", f"checkpoints.every={every}", config=JUMPING)
            with h5py.File(self.path(run, "run.h5")) as f:
                self.assertEqual(len(f["events/step"]), 1)
                event = {name: f["events"][name][0] for name in f["events"]}
                evaluations = [s for s in f["eval/step"][:] if event["step_10"] - event["width"] <= s <= event["step_90"] + event["width"]]
                self.assertGreater(len(evaluations), 10)
                self.assertLessEqual(set(evaluations), set(f["weights/ckpt_step"][:]))
                self.assertEqual(list(f["weights/ckpt_step"][:]), sorted(set(f["weights/ckpt_step"][:])))
                accuracy = f["eval/accuracy"][:, 1]
                self.assertLess(accuracy[f["eval/step"][:] < event["step_10"]].max(), event["before"] + 0.2 * event["size"])
                self.assertGreater(accuracy[f["eval/step"][:] > event["step_90"]].min(), event["after"] - 0.2 * event["size"])
            done = subprocess.run(["/usr/bin/python3", os.path.join(HERE, "rebuild_logits.py"), self.path(run, "run.h5")], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_signal_finishes_the_step_and_saves(self):
        for sig in [signal.SIGINT, signal.SIGTERM]:
            out = self.path(sig.name)
            process = subprocess.Popen([SALTUS, "train", SMALL, "steps=100000000", "--out", out, "--quiet"], stdout=subprocess.PIPE, text=True)
            while not os.path.exists(os.path.join(out, "run.h5")):
                time.sleep(0.01)
            time.sleep(0.3)
            process.send_signal(sig)
            text, _ = process.communicate(timeout=30)
            self.assertEqual(process.returncode, 75)
            self.assertIn("interrupted after", text)
            self.assertIn(f"train --resume {out}", text)
            with h5py.File(os.path.join(out, "run.h5")) as f:
                self.assertEqual(f.attrs["status"], "interrupted")
                self.assertEqual(f["weights/ckpt_step"][-1], f.attrs["steps_taken"])

    def test_divergence_is_reported_with_step_op_and_scope(self):
        _, err = self.train("run", "--quiet", "optimizer.learning_rate=1e30", rc=3)
        self.assertRegex(err, r"training diverged at step \d+: \w+ in (blocks\.\d\.attn|classifier) makes -?(inf|nan)")
        with h5py.File(self.path("run/run.h5")) as f:
            self.assertEqual(f.attrs["status"], "diverged")

    def test_on_a_terminal_progress_is_one_line_that_fits(self):
        for columns in [80, 60, 200]:
            main, child = pty.openpty()
            fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            process = subprocess.Popen([SALTUS, "train", JUMPING, "steps=600", "--out", self.path(f"tty{columns}")], stdout=subprocess.DEVNULL, stderr=child)
            os.close(child)
            shown = b""
            while True:
                try:
                    shown += os.read(main, 65536)
                except OSError:  # the terminal's other end is closed
                    break
            os.close(main)
            self.assertEqual(process.wait(), 0)
            lines = shown.decode().replace("\x1b[K", "").replace("\n", "").split("\r")
            self.assertGreater(len(lines), 2)
            for line in lines:
                self.assertLess(len(line), columns)
            self.assertIn("steps/s", shown.decode())

    def test_nothing_is_read_after_it_was_freed(self):
        # The C library fills what is freed with a pattern, so that reading it does not go unnoticed.
        self.saltus("train", SMALL, "steps=2", "--out", self.path("run"), env=os.environ | {"MALLOC_PERTURB_": "165"})

    def test_without_a_terminal_progress_is_plain_lines(self):
        _, err = self.train("run")
        self.assertNotIn("\x1b", err)
        self.assertRegex(err, r"step +60  loss \d\.\d+  ic 0\.\d\d  iw 0\.\d\d  [▁-█]+  \d+ steps/s")


if __name__ == "__main__":
    unittest.main()
