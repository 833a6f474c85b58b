"""`saltus eval`: a trained model on fresh examples, at other context lengths, beside the references."""
import json
import os
import subprocess
import unittest

import h5py
import numpy as np
import xarray

from command import HERE, CommandTest

REGRESSION = os.path.join(HERE, "regression.yaml")


class Eval(CommandTest):
    def setUp(self):
        super().setUp()
        self.train("run", "--quiet", config=REGRESSION)

    def json(self, *args):
        return json.loads(self.saltus("eval", "run", "--json", *args)[0])

    def test_on_the_run_s_own_test_set_it_finds_what_the_run_recorded(self):
        found = self.json("--seed", "0", "--samples", "1000")["sets"]["test"]
        with h5py.File(self.path("run", "run.h5")) as run:
            np.testing.assert_allclose(found["loss"]["mean"], run["eval/loss"][-1], rtol=1e-6)
            names = run["references/predictor"].asstr()[:]
            for name, risk, error in zip(names, run["references/risk"][0], run["references/risk_standard_error"][0]):
                np.testing.assert_allclose(found[f"risk {name}"]["mean"], [risk], rtol=1e-12)
                np.testing.assert_allclose(found[f"risk {name}"]["standard_error"], [error], rtol=1e-12)

    def test_run_h5_holds_the_exact_risks_beside_the_measured_ones(self):
        with xarray.open_dataset(self.path("run", "run.h5"), engine="h5netcdf", group="references") as references:
            for name in ("zero", "gd_optimal", "dgd_optimal"):
                at = references.sel(evalset="test", predictor=name)
                self.assertLess(abs(float(at.risk - at.exact_risk)), 5 * float(at.risk_standard_error), name)

    def test_fresh_examples_differ_and_agree_within_their_errors(self):
        own = self.json("--seed", "0", "--samples", "20000", "--out", "own.h5")["sets"]["test"]["loss"]
        fresh = self.json("--samples", "20000", "--out", "fresh.h5")["sets"]["test"]["loss"]
        self.assertNotEqual(own, fresh)
        error = np.hypot(own["standard_error"][0], fresh["standard_error"][0])
        self.assertLess(abs(own["mean"][0] - fresh["mean"][0]), 4 * error)

    def test_lengths(self):
        out, _ = self.saltus("eval", "run", "--lengths", "10:40:15", "--samples", "2000")
        self.assertIn("results: run/eval.h5", out)
        with xarray.open_dataset(self.path("run", "eval.h5"), engine="h5netcdf", group="eval") as result:
            self.assertEqual(list(result.length.values), [10, 25, 40])
            self.assertEqual(result.loss.dims, ("length", "evalset"))
            ridge = result.risk.sel(evalset="test", predictor="ridge").values
            self.assertTrue(np.all(np.diff(ridge) < 0), ridge)  # more context, better estimate
        with h5py.File(self.path("run", "eval.h5")) as result:
            self.assertEqual(result.attrs["ckpt_step"], 300)
            self.assertEqual(result.attrs["samples"], 2000)

    def test_threads_do_not_change_the_numbers(self):
        one = self.json("--lengths", "10,30", "--threads", "1", "--out", "one.h5")
        two = self.json("--lengths", "10,30", "--threads", "2", "--out", "two.h5")
        self.assertEqual(one, two)

    def test_an_earlier_snapshot(self):
        untrained = self.json("--step", "0", "--out", "start.h5")["sets"]["test"]["loss"]["mean"][0]
        trained = self.json("--out", "end.h5")["sets"]["test"]["loss"]["mean"][0]
        self.assertGreater(untrained, trained + 0.2)

    def test_a_changed_task(self):
        noiseless = self.json("task.noisy_query=false", "--out", "a.h5")["sets"]["test"]
        np.testing.assert_allclose(noiseless["loss"]["mean"], noiseless["excess"]["mean"], rtol=1e-5)

    def test_linear_attention_keeps_the_length_that_it_was_trained_on(self):
        self.train("linear", "--quiet", "model.attention=linear", config=REGRESSION)
        half = json.loads(self.saltus("eval", "linear", "--json", "--lengths", "10,20,40", "--samples", "20000")[0])["sets"]["test"]["loss"]["mean"]
        # Twice the context doubles what the model adds up, and so its answers.
        self.assertGreater(half[2], half[1] + 0.2)
        self.assertGreater(half[0], half[1] + 0.02)

    def test_classification_has_lengths_too(self):
        self.train("icl", "--quiet")
        out = json.loads(self.saltus("eval", "icl", "--json", "--lengths", "2,4", "--samples", "1024")[0])
        self.assertEqual(out["lengths"], [2, 4])
        self.assertIn("ic", out["sets"])

    def test_a_stream_gives_the_numbers_of_the_whole_sequence(self):
        config = self.write("needle.yaml", "system: titans_needle\nsteps: 20\nbatch_size: 8\ntask: {vocab_size: 16, length: 32}\n"
                            "model: {n_layers: 1, d_model: 16, width: 16, mixer: {n_heads: 1, d_head: 8, chunk: 8}}\n"
                            "eval: {every: 20, size: 64}\n")
        self.train("needle", "--quiet", config=config)
        with h5py.File(self.path("needle", "run.h5")) as run:  # M and S of one head, and the last three inputs of three convolutions
            self.assertEqual(run["references/state_size"][()], 2 * 8 * 8 + 3 * 3 * 8)
        whole, stream = (json.loads(self.saltus("eval", "needle", "--json", "--lengths", "300", "--samples", "1008", *more)[0])["sets"]["test"]
                         for more in (["--out", "a.h5"], ["--out", "b.h5", "--stream"]))
        for name in ("loss", "accuracy"):
            np.testing.assert_allclose(stream[name]["mean"], whole[name]["mean"], rtol=1e-4)
        for script, of, picture in (("plot_run.py", "needle", "run.png"), ("plot_eval.py", "a.h5", "a.png")):
            done = subprocess.run([os.path.join(HERE, "..", "..", "scripts", script), of, "--out", picture], cwd=self.dir, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertGreater(os.path.getsize(self.path(picture)), 5000)

    def test_streams_of_models_whose_chunks_and_segments_are_no_part_of_256(self):
        # theta_max: a memory that overshoots makes much of the last bits, which differ between a segment and a part of one.
        for out, model in (("chunk", "{architecture: mixer, mixer: {n_heads: 1, d_head: 8, chunk: 48}}"),
                           ("segment", "{architecture: mac, segment: 24, mixer: {n_heads: 1, d_head: 8, chunk: 8, theta_max: 0.05}}")):
            config = self.write("needle.yaml", f"system: titans_needle\nsteps: 2\nbatch_size: 8\ntask: {{vocab_size: 16, length: 48}}\n"
                                f"model: {model}\neval: {{every: 2, size: 16}}\n")
            self.train(out, "--quiet", "model.n_layers=1", "model.d_model=16", "model.width=16", config=config)
            whole, stream = (json.loads(self.saltus("eval", out, "--json", "--lengths", "300", "--samples", "1008", "--overwrite", *more)[0])
                             ["sets"]["test"]["loss"]["mean"] for more in ([], ["--stream"]))
            np.testing.assert_allclose(stream, whole, rtol=1e-4)

    def test_overrides_that_make_another_model_are_refused(self):
        config = self.write("needle.yaml", "system: titans_needle\nsteps: 2\nbatch_size: 8\nshards: 1\ntask: {vocab_size: 16, length: 32}\n"
                            "model: {n_layers: 1, d_model: 16, width: 16, mixer: {n_heads: 1, d_head: 8}}\neval: {every: 2, size: 130}\n")
        self.train("needle", "--quiet", config=config)
        for override, words in (("model.mixer.kind=deltanet", "the run has no parameter blocks.0.mixer."),
                                ("model.width=8", "was [16, 16] and is [16, 8]"),
                                ("model.mixer.conv_width=0", "that was trained is not in it")):
            error = self.saltus("eval", "needle", override, rc=2)[1]
            self.assertIn("needle/run.h5: the overrides make another model than the one that was trained: ", error)
            self.assertIn(words, error)
            self.assertNotIn("HDF5", error)
        for intervention in ("zero", "freeze", "swap", "oracle_gates"):  # the same parameters; of 1025 samples none is alone
            self.saltus("eval", "needle", f"model.mixer.intervention={intervention}", "--samples", "1025", "--overwrite")

    def test_a_run_that_is_replaced_takes_its_evaluation_with_it(self):
        self.json()
        self.train("run", "--quiet", "seed=1", "--overwrite", config=REGRESSION)
        self.assertFalse(os.path.exists(self.path("run", "eval.h5")))

    def test_refusals(self):
        def refused(expected, *args):
            self.assertIn(expected, self.saltus("eval", *args, rc=2)[1])

        refused("there is no nowhere", "nowhere")
        refused("--lengths 10:x: 'x' is not a length between 1 and 1000000000; write first:last:step, as in 10:100:5, or a list, as in 10,20,40", "run", "--lengths", "10:x")
        refused("--lengths 50:10:5: write first:last:step", "run", "--lengths", "50:10:5")
        refused("has no snapshot of step 77; it has those of 0, 1, 2, 4, 8", "run", "--step", "77")
        refused("unknown key 'task.n_contexts'", "run", "task.n_contexts=3")
        self.json()
        refused("run/eval.h5 exists already: name another file with --out, or say --overwrite", "run")
        self.saltus("eval", "run", "--overwrite")
        refused("run/run.h5 is not a result of saltus eval or study", "run", "--out", "run/run.h5", "--overwrite")
        refused("say --lengths 80", "run", "task.n_context=80", "--overwrite")
        refused("the run's seeds say what its task is", "run", "seed=3", "--overwrite")
        refused("--lengths 20,10,20: 20 comes twice", "run", "--lengths", "20,10,20")
        refused("is not a length between 1 and 1000000000", "run", "--lengths", "1:9999999999")
        refused("that is more than 10000 lengths", "run", "--lengths", "1:99999")
        refused("cannot be read in stretches", "run", "--lengths", "100", "--stream", "--overwrite")
        refused("--samples 100: at least 1000", "run", "--samples", "100")
        refused("run/run.h5: the overrides make another model than the one that was trained: W_Q was [1, 2, 4, 4] and is [1, 3, 4, 4]",
                "run", "model.n_heads=3", "--overwrite")


if __name__ == "__main__":
    unittest.main()
