"""Training the reduced models of in-context classification, and the figures of their runs."""
import os
import pathlib
import subprocess
import unittest

import h5py

from command import CommandTest

PLOT = pathlib.Path(__file__).parents[2] / "scripts" / "plot_run.py"
MINIMAL = """\
system: icl_minimal
steps: 40
batch_size: 16
task: {n_classes: 16, n_labels: 8, n_pairs: 4, max_pairs: 4, item_dim: 7, novel_pool: 16}
model: {classifier_width: 8, labels: {start: 0.5, train: false}}
eval: {every: 10, size: 32}
checkpoints: {probes: 2}
"""
SPLIT = """\
system: icl_split
steps: 40
batch_size: 16
task: {n_classes: 16, n_pairs: 4, item_dim: 7, novel_pool: 16}
model: {classifier_width: 8}
eval: {every: 10, size: 32}
"""


class ReducedModelsTest(CommandTest):
    def trained(self, config, *args):
        self.train("run", *args, config=self.write("config.yaml", config))
        return h5py.File(self.path("run", "run.h5"))

    def figure(self):
        done = subprocess.run([PLOT, self.path("run"), "--out", self.path("run.svg")], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return self.read("run.svg").decode()

    def test_a_minimal_model_says_how_strong_its_three_numbers_are(self):
        with self.trained(MINIMAL) as run:
            progress = run["progress"]
            self.assertEqual(set(progress["label_strength"][:]), {0.5})
            for name in ("previous_token_strength", "match_strength"):
                self.assertEqual(progress[name][0], 0)
                self.assertEqual(progress[name][-1], run["weights"][name][-1, 0])
            self.assertNotIn("label_strength", run["weights"])
            self.assertEqual(run["attention/pattern"].shape[1:], (2, 2, 1, 9, 9))
        figure = self.figure()
        for words in ("the model's three numbers", "previous token", "target item label (layer 1)"):
            self.assertIn(words, figure)

    def test_a_split_model_says_what_either_part_would_lose_alone(self):
        with self.trained(SPLIT) as run:
            self.assertEqual(run["eval/in_context_loss"].shape, run["eval/in_weights_loss"].shape)
            self.assertNotEqual(run["progress/copy_weight"][-1], 0)
        figure = self.figure()
        for words in ("in context alone", "in weights alone", "copy weight"):
            self.assertIn(words, figure)

    def test_what_says_nothing_of_a_trained_model_is_refused(self):
        self.trained(MINIMAL).close()
        for key in ("previous_token", "match"):
            self.assertIn(f"'model.{key}.start=2': this would change nothing: the run's weights are given",
                          self.saltus("eval", "run", f"model.{key}.start=2", rc=2)[1])
        self.saltus("eval", "run", "model.labels.start=2")  # held there, and so no weight
        held = [f"model.{key}.train=false" for key in ("previous_token", "match")]
        self.assertIn("model.scalar_scale: scalar_scale 0.5 is about what is trained, and none of the three numbers is: use 1",
                      self.train("held", *held, "model.scalar_scale=0.5", config=self.path("config.yaml"), rc=2)[1])
        self.trained(SPLIT, "--overwrite").close()
        self.assertIn("'model.copy.start=2': this would change nothing", self.saltus("eval", "run", "model.copy.start=2", rc=2)[1])

    def test_a_split_model_needs_labels_to_memorise_and_to_copy(self):
        config = self.write("config.yaml", SPLIT)
        for override, message in (("task.label_law=relabelled", "task.label_law: label_law is relabelled; the MLP memorises the labels"),
                                  ("task.n_maps=2", "task.n_maps: n_maps is 2; the MLP memorises the labels"),
                                  ("task.target_in_context=false", "task.target_in_context: target_in_context is false; the part in context")):
            self.assertIn(message, self.train("refused", override, config=config, rc=2)[1])
        self.assertFalse(os.path.exists(self.path("refused")))

    def test_a_split_model_of_one_part_has_a_figure_too(self):
        with self.trained(SPLIT, "model.parts=in_weights") as run:
            self.assertNotIn("copy_weight", run["progress"])
        self.assertIn("in weights alone", self.figure())


if __name__ == "__main__":
    unittest.main()
