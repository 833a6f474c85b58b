"""`saltus show` and `saltus ls`: what they say about runs that ended in every way, compared with the files themselves."""
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

import h5py
import numpy as np

from command import HERE, SALTUS, SMALL, CommandTest

JUMPING = os.path.join(HERE, "jumping.yaml")


class RunsTest(CommandTest):
    def stopped_run(self, name):
        """A run that a signal ended after its first saved states."""
        process = subprocess.Popen([SALTUS, "train", SMALL, "steps=100000000", "--out", name, "--quiet"], stdout=subprocess.DEVNULL, cwd=self.dir)
        while not os.path.exists(self.path(name, "state.bin")):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), 75)

    def show_json(self, run):
        return json.loads(self.saltus("show", run, "--json")[0])

    def assert_one_screen(self, text):
        self.assertNotIn("\x1b", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 80, text)
        self.assertLessEqual(len(text.splitlines()), 45, text)


class Show(RunsTest):
    def test_a_run_that_jumped(self):
        self.train("run", "--quiet", "seed=3", config=JUMPING)
        out, err = self.saltus("show", "run")
        self.assertEqual(err, "")
        self.assert_one_screen(out)
        with h5py.File(self.path("run/run.h5")) as f:
            step, size, width, plateau = (f["events"][name][0] for name in ["step", "size", "width", "plateau_length"])
            accuracy = f["eval/accuracy"][:, list(f["eval/evalset"].asstr()).index("ic")]
            crossed = f["eval/step"][np.argmax(accuracy >= 0.5)]
            final = f["eval/accuracy"][-1], f["progress/item_label"][-1].ravel()
            sha = f.attrs["binary_sha256"][:12]
        self.assertIn("status    done: 1400 of 1400 steps taken, ", out)
        self.assertIn("system    icl_classification, seed 3, ", out)
        self.assertRegex(out, rf"jump at step {step:.0f}: 0\.\d\d to [01]\.\d\d \(size {size:.2f}\), width {width:.0f},\s+after a plateau of {plateau:.0f} steps")
        self.assertIn(f"crossed 1/2 at step {crossed}\n", out)
        self.assertRegex(out, r"\n +accuracy +" + " +".join(f"{x:.4f}" for x in final[0]) + "\n")
        self.assertRegex(out, r"\n +item_label +" + " +".join(f"{x:.4f}" for x in final[1]) + "\n")
        self.assertRegex(out, r" optimizer\.kind +adam \(sgd\)\n")
        self.assertRegex(out, r"\n  seed +3 \(0\) ")
        self.assertNotIn("optimizer.decay", out, "only what differs from the defaults")
        self.assertIn("files: run/run.h5 (", out)
        self.assertIn(f"sha256 {sha}", out)
        self.assertNotIn("--resume", out)

    def test_json_says_the_same_as_the_file(self):
        self.train("run", "--quiet", "model.n_heads=2", config=JUMPING)
        told = self.show_json("run")
        with h5py.File(self.path("run/run.h5")) as f:
            events = {name: f["events"][name][0] for name in ["step", "before", "after", "size", "step_10", "step_90", "width", "plateau_length"]}
            self.assertEqual(told["jumps"], [events])
            self.assertEqual(told["eval"]["step"], 1400)
            self.assertEqual(list(told["eval"]["loss"].items()), list(zip(f["eval/evalset"].asstr(), f["eval/loss"][-1])))
            self.assertEqual(told["progress"]["item_label"], f["progress/item_label"][-1].tolist())
            self.assertEqual(told["progress"]["context_label_mass"], f["progress/context_label_mass"][-1])
            self.assertEqual(told["snapshots"], f["weights/ckpt_step"][:].tolist())
            self.assertEqual(told["wall_s"], f.attrs["wall_s"])
            self.assertEqual(told["provenance"]["git_sha"], f.attrs["git_sha"])
        self.assertEqual(told["differences"]["model.n_heads"], {"value": "2", "default": "1"})
        self.assertEqual((told["status"], told["steps_taken"], told["steps"], told["resume"]), ("done", 1400, 1400, None))
        self.assertEqual(told["files"], {"run": "run/run.h5", "config": "run/config.yaml"})

    def test_the_file_may_be_named_instead_of_its_folder(self):
        self.train("run", "--quiet")
        self.assertEqual(self.saltus("show", "run/run.h5"), self.saltus("show", "run"))
        shutil.copy(self.path("run/run.h5"), self.path("alone.h5"))
        self.assertIn("files: alone.h5 (", self.saltus("show", "alone.h5")[0])

    def test_a_section_that_the_defaults_lack_is_told_by_its_keys(self):
        self.train("run", "--quiet", "stop_when.set=iid", "stop_when.above=2")
        differences = self.show_json("run")["differences"]
        section = {key: d for key, d in differences.items() if key.startswith("stop_when")}
        self.assertEqual(section, {key: {"value": value, "default": None} for key, value in [
            ("stop_when.set", "iid"), ("stop_when.measure", "accuracy"), ("stop_when.above", "2"), ("stop_when.evaluations", "3")]})

    def test_verbose_adds_all_settings_as_the_command_line_takes_them(self):
        self.train("run", "--quiet", "model.n_heads=2")
        out, _ = self.saltus("show", "run", "--verbose")
        settings = out.partition("\nall settings\n")[2].partition("\n\n")[0].split()
        self.assertIn("model.n_heads=2", settings)
        self.write("bare.yaml", "system: icl_classification\n")
        self.train("again", "--quiet", *[s for s in settings if s != "stop_when=null"], config="bare.yaml")
        self.assertEqual(self.read("run/config.yaml"), self.read("again/config.yaml"))

    def test_a_run_without_a_jump_says_so(self):
        self.train("run", "--quiet")
        out, _ = self.saltus("show", "run")
        self.assertIn("  no jump\n  has not crossed 1/2\n", out)
        self.assertIsNone(self.show_json("run")["headline"]["crossed_half_at"])

    def test_many_heads_are_wrapped(self):
        self.train("run", "--quiet", "model.n_heads=8", "model.n_layers=3", "model.d_head=3")
        out, _ = self.saltus("show", "run")
        self.assertLessEqual(max(map(len, out.splitlines())), 80, out)
        heads = [word for line in out.splitlines() if line.startswith("  layer.head") for word in line.split()[1:]]
        self.assertEqual(heads, [f"{layer}.{head}" for layer in range(3) for head in range(8)])

    def test_how_to_go_on_with_an_interrupted_run(self):
        self.stopped_run("run")
        out, _ = self.saltus("show", "run")
        self.assertIn("status    interrupted: ", out)
        self.assertIn("\ngo on with: saltus train --resume run\n", out)
        told = self.show_json("run")
        self.assertEqual(told["resume"], "saltus train --resume run")
        steps = told["steps_taken"]
        self.saltus(*told["resume"].split()[1:], f"steps={steps + 10}", "--force", "--quiet")
        out, _ = self.saltus("show", "run")
        self.assertRegex(out, rf"resumed   step {steps}, ")
        self.assertIsNone(self.show_json("run")["resume"])

    def test_a_run_that_goes_on(self):
        process = subprocess.Popen([SALTUS, "train", SMALL, "steps=100000000", "log.flush_seconds=0.02", "--out", "run", "--quiet"],
                                   stdout=subprocess.DEVNULL, cwd=self.dir)
        self.addCleanup(lambda: (process.kill(), process.wait()))
        while not os.path.exists(self.path("run/run.h5")) or self.show_json("run")["steps_taken"] < 100:
            time.sleep(0.02)
        out, _ = self.saltus("show", "run")
        self.assertRegex(out, r"status    running: \d+ of 100000000 steps taken\n +run.h5 was written \d+\.\d s ago\n")
        self.assertIn("if its process is gone, go on with: saltus train --resume run", out)

    def test_a_diverged_run_keeps_what_was_measured(self):
        self.train("run", "--quiet", "optimizer.learning_rate=1e30", rc=3)
        out, _ = self.saltus("show", "run")
        self.assertIn("status    diverged: ", out)
        self.assertNotIn("--resume", out)
        self.assertEqual(self.show_json("run")["status"], "diverged")

    def test_a_config_that_this_program_cannot_read_is_no_obstacle(self):
        self.train("run", "--quiet")
        with h5py.File(self.path("run/run.h5"), "r+") as f:
            f.attrs["config_yaml"] = "system: of_the_future\n"
        out, _ = self.saltus("show", "run")
        self.assertIn("this program cannot read the run's config:\nrun/run.h5: config_yaml:1:9: error: ", out)
        self.assertIn("last evaluation, step 60", out)

    def test_what_is_no_run_is_refused_with_what_to_do(self):
        self.train("runs/a", "--quiet")
        self.assertIn("there is no nowhere", self.saltus("show", "nowhere", rc=2)[1])
        self.assertIn("runs is not a run folder: there is no runs/run.h5. Runs below it: saltus ls runs", self.saltus("show", "runs", rc=2)[1])
        self.write("notes.txt", "not HDF5")
        self.assertIn("notes.txt is not an HDF5 file", self.saltus("show", "notes.txt", rc=2)[1])
        os.remove(self.path("runs/a/run.h5"))
        self.assertIn("runs/a has recorded nothing yet", self.saltus("show", "runs/a", rc=2)[1])


class Ls(RunsTest):
    def rows(self, *args):
        """The table as dictionaries, split where all lines have two blanks or more; and the lines after it."""
        table, _, rest = self.saltus("ls", *args)[0].partition("\n\n")
        header, *lines = table.splitlines()
        begins = [0] + [i for i in range(2, len(header)) if header[i - 2:i] == "  " and header[i] != " "]
        cells = lambda line: [line[a:b].strip() for a, b in zip(begins, begins[1:] + [None])]
        return [dict(zip(cells(header), cells(line))) for line in lines], rest

    def test_a_table_of_runs_and_of_what_differs(self):
        self.train("runs/a", "--quiet", config=JUMPING)
        self.train("runs/deeper/b", "--quiet", "seed=1", "model.n_heads=2", "steps=100", config=JUMPING)
        self.train("runs/c", "--quiet", "optimizer.learning_rate=1e30", rc=3, config=JUMPING)
        rows, rest = self.rows("runs")
        self.assertEqual(rest, "")
        self.assertEqual([row["run"] for row in rows], ["a", "c", "deeper/b"])
        self.assertEqual([row["status"] for row in rows], ["done", "diverged", "done"])
        self.assertEqual([row["seed"] for row in rows], ["0", "0", "1"])
        self.assertEqual([row["model.n_heads"] for row in rows], ["1", "1", "2"])
        self.assertEqual(rows[0]["steps"], "1400")
        self.assertRegex(rows[1]["steps"], r"^\d+/1400$")
        self.assertEqual([key for key in rows[0] if "." in key], ["model.n_heads", "optimizer.learning_rate"])
        with h5py.File(self.path("runs/a/run.h5")) as f:
            self.assertEqual(rows[0]["jump"], f"{f['events/step'][0]:.0f}")
            self.assertEqual(rows[0]["ic accuracy"], f"{f['eval/accuracy'][-1, 1]:.4f}")
            self.assertEqual(rows[0]["iw accuracy"], f"{f['eval/accuracy'][-1, 3]:.4f}")
        self.assertEqual(rows[2]["jump"], "-")

    def test_json_has_all_that_differs(self):
        self.train("runs/a", "--quiet")
        self.train("runs/b", "--quiet", "seed=1", "steps=10", "optimizer.kind=adam", "stop_when.set=iid", "stop_when.above=2")
        told = json.loads(self.saltus("ls", "runs", "--json")[0])
        self.assertEqual(told["differing"], ["seed", "steps", "optimizer.kind", "stop_when.set", "stop_when.measure", "stop_when.above",
                                             "stop_when.below", "stop_when.evaluations"])
        a, b = told["runs"]
        self.assertEqual((a["run"], a["seed"], a["steps_taken"], a["status"], a["jumps"]), ("a", 0, 60, "done", []))
        self.assertEqual((b["settings"]["optimizer.kind"], b["settings"]["stop_when.set"], a["settings"]["stop_when.set"]), ("adam", "iid", None))
        self.assertEqual(set(a["headlines"]), {"ic accuracy", "iw accuracy"})
        self.assertEqual(told["unreadable"], [])

    def test_more_than_six_differing_settings_are_columns_only_when_asked_for(self):
        self.train("runs/a", "--quiet")
        many = ["optimizer.kind=adam", "optimizer.learning_rate=0.01", "model.n_heads=2", "model.layer_norm=true", "task.burstiness=2", "eval.every=30",
                "eval.size=64"]
        self.train("runs/b", "--quiet", *many)
        rows, rest = self.rows("runs")
        self.assertEqual(len([key for key in rows[0] if "." in key]), 6)
        self.assertEqual(rest, "the configs also differ in eval.size; --verbose shows them\n")
        rows, rest = self.rows("runs", "--verbose")
        self.assertEqual((rows[0]["eval.size"], rows[1]["eval.size"], rest), ("96", "64", ""))

    def test_broken_and_foreign_files_are_named_and_passed_over(self):
        self.train("runs/good", "--quiet")
        for name in ["broken", "foreign", "text"]:
            os.mkdir(self.path("runs", name))
        with open(self.path("runs/broken/run.h5"), "wb") as f:
            f.write(self.read("runs/good/run.h5")[:50000])
        with h5py.File(self.path("runs/foreign/run.h5"), "w") as f:
            f["x"] = 1
        self.write("runs/text/run.h5", "")
        rows, rest = self.rows("runs")
        self.assertEqual([row["run"] for row in rows], ["good"])
        for line in ["not listed: runs/broken/run.h5: cannot open runs/broken/run.h5: ", "not listed: runs/foreign/run.h5: runs/foreign/run.h5 is not a run",
                     "not listed: runs/text/run.h5: runs/text/run.h5 is not an HDF5 file"]:
            self.assertIn(line, rest)
        told = json.loads(self.saltus("ls", "runs", "--json")[0])
        self.assertEqual([u["file"] for u in told["unreadable"]], ["runs/broken/run.h5", "runs/foreign/run.h5", "runs/text/run.h5"])

    def test_a_folder_without_runs_and_no_folder(self):
        os.mkdir(self.path("empty"))
        self.assertEqual(self.saltus("ls", "empty")[0], "no runs below empty\n")
        self.assertIn("nowhere is not a folder", self.saltus("ls", "nowhere", rc=2)[1])


if __name__ == "__main__":
    unittest.main()
