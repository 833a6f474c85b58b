"""Clamped attention (model.clamps): what a trained network owes to its heads, and networks trained with heads in place."""
import json
import unittest

import h5py
import numpy as np

from command import JUMPING, CommandTest


class Clamps(CommandTest):
    def setUp(self):
        super().setUp()
        self.train("run", "--quiet", "model.circuit_losses=true", "eval.size=1024", "eval.every=50", config=JUMPING)

    def measured(self, clamps):
        out, _ = self.saltus("eval", "run", "--json", "--seed", "0", "--samples", "2048", "--overwrite",
                             "model.clamps=" + json.dumps(clamps))
        return {name: measures["accuracy"]["mean"][0] for name, measures in json.loads(out)["sets"].items()}

    def test_a_trained_run_under_other_patterns(self):
        found = {name: self.measured(clamps)["ic"] for name, clamps in {
            "none": [], "no induction head": ["1.0 zero"], "not where it looks": ["1.0 not_induction"],
            "circuit": ["0.0 own_item", "1.0 induction"], "labels at random": ["1.0 labels"]}.items()}
        self.assertGreater(found["none"], 0.9)
        self.assertGreater(found["circuit"], 0.95)
        guess = 1 / 4  # of the context's labels
        for broken in ("no induction head", "not where it looks", "labels at random"):
            self.assertLess(found[broken], guess + 0.1, broken)

    def test_without_clamps_it_finds_what_the_run_recorded(self):
        out, _ = self.saltus("eval", "run", "--json", "--seed", "0", "--samples", "1024", "model.clamps=[]")
        found = [s["loss"]["mean"][0] for s in json.loads(out)["sets"].values()]
        with h5py.File(self.path("run", "run.h5")) as run:
            np.testing.assert_allclose(found, run["eval/loss"][-1], rtol=1e-6)

    def test_circuit_losses_are_progress_measures(self):
        with h5py.File(self.path("run", "run.h5")) as run:
            progress = run["progress"]
            np.testing.assert_allclose(progress["full_loss"][:], run["eval/loss"][:, 1], rtol=1e-6)  # ic
            np.testing.assert_array_equal(progress["full_accuracy"][:], run["eval/accuracy"][:, 1])
            self.assertGreater(progress["restricted_accuracy"][-1], 0.95)
            self.assertLess(progress["excluded_accuracy"][-1], 0.25)
            weights = [run["weights"][name][0] for name in run["weights"]
                       if name.startswith(("W_", "classifier", "unembed")) and run["weights"][name].shape[0] == run["weights/ckpt_step"].shape[0]]
            norm = np.sqrt(sum((w.astype(float) ** 2).sum() for w in weights))
            np.testing.assert_allclose(progress["weight_norm"][0], norm, rtol=1e-6)

    def test_training_with_the_first_head_in_place_jumps_sooner(self):
        self.train("given", "--quiet", 'model.clamps=["0.0 own_item"]', "steps=800", "eval.every=50", config=JUMPING)
        half = []
        for name in ("run", "given"):
            with h5py.File(self.path(name, "run.h5")) as run:
                half.append(run["eval/step"][np.argmax(run["eval/accuracy"][:, 1] > 0.5)])
                own = run["progress/item_label"][:, 0, 0]
        self.assertLess(half[1], 0.7 * half[0])
        np.testing.assert_allclose(own, 1)

    def test_refusals(self):
        for value, message in (('["0.1 zero"]', "model.clamps: entry 0, '0.1 zero': there is no head '1': heads are 0 to 0, or * for each"),
                               ('["0.0 zero", "1.0 copy"]', "model.clamps: entry 1, '1.0 copy': there is no pattern 'copy'"),
                               ('["0.0 zero 2"]', "strength 2 is not in (0, 1]")):
            self.assertIn(message, self.saltus("eval", "run", "--overwrite", "model.clamps=" + value, rc=2)[1])
        self.assertIn("'model.circuit_losses=true': this would change nothing: the run's weights are given",
                      self.saltus("eval", "run", "--overwrite", "model.circuit_losses=true", rc=2)[1])
        outside = ["task.target_in_context=false", "task.p_novel=0"]
        for pattern in ("induction", "items", "not_induction"):
            self.assertIn(f"model.clamps: entry 1, '1.* {pattern}': with task.target_in_context false nothing in the context is of the target's",
                          self.train("out", f'model.clamps=["0.* zero", "1.* {pattern}"]', *outside, rc=2)[1])
        self.train("out", 'model.clamps=["1.* only_labels"]', *outside)
        self.assertIn("model.circuit_losses: the induction circuit copies the label of the target's class, and with task.target_in_context false",
                      self.train("without", "model.circuit_losses=true", *outside, rc=2)[1])
        self.assertIn("model.circuit_losses: the induction circuit is one of two layers, and n_layers is 3",
                      self.train("deep", "model.circuit_losses=true", "model.n_layers=3", rc=2)[1])


if __name__ == "__main__":
    unittest.main()
