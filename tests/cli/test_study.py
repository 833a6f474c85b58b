"""`saltus study`: results from a config that trains nothing, each checked against a number that is known."""
import os
import unittest

import h5py
import numpy as np
import xarray

from command import HERE, CommandTest


class Study(CommandTest):
    def study(self, text, *args):
        self.saltus("study", self.write("study.yaml", text), "--out", "out.h5", "--overwrite", *args)
        return self.path("out.h5")

    def open(self, text, group, *args):
        with xarray.open_dataset(self.study(text, *args), engine="h5netcdf", group=group) as data:
            return data.load()

    def test_the_flow_of_two_opposite_heads_creeps_along_the_manifold(self):
        flow = self.open("study: icl_regression.flow\nsettings: {omega: [0.03, -0.02], mu: [0.02, -0.03], points: 100}\n", "flow")
        end = flow.isel(time=-1)
        np.testing.assert_allclose(end.omega.sum(), 0, atol=1e-6)
        np.testing.assert_allclose(end.mu.sum(), 0, atol=1e-6)
        self.assertTrue(np.all(np.diff(flow.loss) < 1e-9))
        self.assertGreater(float(end.loss), float(flow.loss_limit))

    def test_the_flow_of_two_equal_heads_is_trapped_at_the_loss_of_one(self):
        flow = self.open("study: icl_regression.flow\nsettings: {omega: [0.02, 0.02], mu: [0.01, 0.01], points: 50}\n", "flow")
        np.testing.assert_allclose(flow.loss[-1], flow.single_head_loss, rtol=1e-6)
        np.testing.assert_allclose(flow.omega[-1], 1 / np.sqrt(5), rtol=1e-4)

    def test_the_loss_surface_knows_the_loss_of_answering_zero(self):
        surface = self.open("study: icl_regression.loss_surface\nsettings: {cells: 3, samples: 20000}\n", "surface")
        zero = surface.sel(mu=0)
        np.testing.assert_allclose(zero.approximate_loss, 1.1, rtol=1e-12)
        self.assertTrue(np.all(np.abs(zero.loss - 1.1) < 4 * zero.loss_standard_error))

    def test_the_surface_does_not_depend_on_threads(self):
        text = "study: icl_regression.loss_surface\nsettings: {cells: 3, samples: 5000}\n"
        one = self.open(text, "surface", "--threads", "1")
        self.assertTrue(one.equals(self.open(text, "surface", "--threads", "2")))

    def test_rank_one_heads_go_down_the_stairs_that_theory_names(self):
        flow = self.open("study: icl_regression.saddle_flow\nsettings: {form: rank_one}\n", "saddle_flow")
        seconds = np.gradient(flow.time.values)
        for level in flow.plateau.values:  # it stays at each, where a smooth fall would pass
            self.assertGreater(seconds[np.abs(flow.loss.values - level) < 0.01].sum(), 150, level)
        np.testing.assert_allclose(flow.loss[-1], flow.plateau[-1], atol=2e-3)

    def test_merged_heads_fall_once(self):
        flow = self.open("study: icl_regression.saddle_flow\nsettings: {form: merged, n_heads: 8, init_std: 0.001, last_time: 1000}\n", "saddle_flow")
        self.assertEqual(len(flow.plateau), 2)
        np.testing.assert_allclose(flow.loss[-1], flow.plateau[-1], atol=2e-3)

    def test_estimators_meet_their_exact_risks(self):
        table = self.open("study: icl_regression.estimators\nsettings: {lengths: [20, 40], samples: 20000}\n", "estimators")
        off = abs(table.risk - table.exact_risk) / table.risk_standard_error
        known = off.sel(predictor=["gd", "dgd", "linear_attention"])
        self.assertTrue(np.all(known < 4), known)

    def test_attention_with_no_scores_is_even(self):
        table = self.open("study: icl_regression.saturation\nsettings: {scale: [1e-6], n_context: [25], input_dim: [4], samples: 100}\n", "saturation")
        np.testing.assert_allclose(table.norm_quantile, 0.2, rtol=1e-4)

    def test_the_cost_of_attention_is_that_of_the_formulas(self):
        text = "study: lama.cost\nsettings: {length: [8, 16, 32], n_heads: [1, 4], timed_heads: 4, d_hidden: 8, d_attention: 6, batch: 2, rounds: 3, least_ms: 0}\n"
        cost, again = self.open(text, "cost"), self.open(text, "cost", "--threads", "2")
        d, d_a = 16, 6
        attention = cost.parameters.sel(part="attention")
        for m in (1, 4):
            known = {"lama": 2 * d * m + d, "lama_ctx": 2 * d * m, "structured": d * d_a + d_a * m, "bilinear": m * d * d, "transformer": 4 * d * d + 4 * d}
            self.assertEqual({pooling: int(attention.sel(pooling=pooling, n_heads=m)) for pooling in known}, known)
        np.testing.assert_array_equal(cost.parameters.sel(part="total"), cost.parameters.drop_sel(part="total").sum("part"))

        # What the formulas leave out, such as tanh and softmax, makes the count larger, but not by half.
        T = cost.length
        products = {
            "attention: structured": 2 * T * (d * d_a + d_a * 4 + d * 4),
            "attention: lama_ctx": 2 * (T * d * d + T * d * 4 + d * 4 + T * d * 4),
            "attention: lama_ctx, no word MLP": 2 * (T * d * 4 + d * 4 + T * d * 4),
            "attention: transformer": 2 * (4 * T * d * d + 2 * T * T * d),
        }
        for timed, flops in products.items():
            ratio = 1e6 * cost.mflop.sel(timed=timed) / flops
            self.assertTrue(np.all((1 < ratio) & (ratio < 1.5)), (timed, ratio.values))
        self.assertAlmostEqual(float(cost.mflop_slope.sel(timed="attention: structured")), 1, 6)
        self.assertGreater(float(cost.mflop_slope.sel(timed="attention: transformer")), 1.3)
        short = self.open(text.replace("}", ", slope_to: 16}"), "cost")
        a, b = (short.mflop.sel(length=n) for n in (8, 16))
        np.testing.assert_allclose(short.mflop_slope_lower, np.log2(b / a), rtol=1e-9)
        np.testing.assert_array_equal(short.mflop_slope, cost.mflop_slope)

        for name, values in cost.data_vars.items():  # what says that it differs is time, and all else is the same bits
            if "no two runs" in values.attrs["long_name"]:
                self.assertTrue(name.startswith("milliseconds"))
            else:
                self.assertTrue(values.equals(again[name]), name)
        self.assertTrue(np.all(cost.milliseconds > 0))
        np.testing.assert_array_equal(cost.milliseconds, cost.milliseconds_of_round.median("round"))

    def test_where_it_comes_from_is_in_the_file(self):
        with h5py.File(self.study("study: icl_regression.saturation\nseed: 3\nsettings: {samples: 16}\n")) as f:
            self.assertEqual(f.attrs["study"], "icl_regression.saturation")
            self.assertEqual(f.attrs["seed"], 3)
            self.assertIn("samples: 16", f.attrs["config_yaml"])

    def test_refusals(self):
        path = self.write("bad.yaml", "study: icl_regression.flows\n")
        self.assertIn("bad.yaml:1:8: error:", self.saltus("study", path, rc=2)[1])
        path = self.write("bad.yaml", "study: icl_regression.flow\nsettings: {n_heads: 3, omega: [1, 2]}\n")
        self.assertIn("2 values for 3 heads", self.saltus("study", path, rc=2)[1])
        path = self.write("good.yaml", "study: icl_regression.saturation\nsettings: {samples: 16}\n")
        self.saltus("study", path, "--out", "a.h5")
        self.assertIn("a.h5 exists already", self.saltus("study", path, "--out", "a.h5", rc=2)[1])
        self.assertIn("good.yaml is not a result", self.saltus("study", path, "--out", "good.yaml", "--overwrite", rc=2)[1])
        self.assertIn("names a `study`: it is for", self.saltus("train", path, rc=2)[1])
        self.assertIn("names a `system`: it is for", self.saltus("study", os.path.join(HERE, "regression.yaml"), rc=2)[1])
        path = self.write("bad.yaml", "study: icl_regression.estimators\nsettings: {task: {pool_size: 2}}\n")
        self.assertIn("fresh coefficients", self.saltus("study", path, rc=2)[1])
        path = self.write("bad.yaml", "study: lama.cost\nsettings: {timed_heads: 5}\n")
        self.assertIn("timed_heads (5) must divide the width of an encoded word (96 = 2 d_hidden)", self.saltus("study", path, rc=2)[1])
        path = self.write("bad.yaml", "study: lama.cost\nsettings: {length: [8, 16, 16]}\n")
        self.assertIn("each longer than the one before", self.saltus("study", path, rc=2)[1])
        path = self.write("bad.yaml", "study: lama.cost\nsettings: {length: [8, 16, 32], slope_to: 9}\n")
        self.assertIn("slope_to (9) must leave two lengths to fit over", self.saltus("study", path, rc=2)[1])


if __name__ == "__main__":
    unittest.main()
