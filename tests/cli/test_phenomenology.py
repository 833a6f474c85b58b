"""The studies of three nested logits (Reddy 2024's phenomenological model), each checked against a number that is known, and their figures."""
import os
import subprocess
import sys
import unittest

import numpy as np
import xarray

from command import HERE, CommandTest

ROOT = os.path.join(HERE, "..", "..")


class Phenomenology(CommandTest):
    def study(self, name, settings="{}", rc=0):
        config = self.write("study.yaml", f"study: icl_classification.{name}\nsettings: {settings}\n")
        out, err = self.saltus("study", config, "--out", "out.h5", "--overwrite", rc=rc)
        if rc != 0:
            return err
        with xarray.open_dataset(self.path("out.h5"), engine="h5netcdf", group=name) as data:
            return data.load()

    def test_the_landscape_slopes_at_the_origin_with_more_labels_than_pairs_alone(self):
        found = self.study("landscape", "{n_labels: [32, 8], beta_1: [0, 4], xi_range: [-8, 8], alpha_range: [-8, 8], cells: 17, points: 50}")
        np.testing.assert_allclose(found.loss.sel(xi=0, alpha=0), [[np.log(32)] * 2, [np.log(8)] * 2])
        np.testing.assert_allclose(found.origin_slope.sel(n_labels=32), [[24 / 256, 0]] * 2, atol=1e-15)
        np.testing.assert_array_equal(found.origin_slope.sel(n_labels=8), 0)
        self.assertTrue(np.all(np.diff(found.path_loss.sel(n_labels=32)) < 0))
        self.assertTrue(np.all(found.path_xi.sel(n_labels=8) == 0))
        # A saddle: with as many labels as pairs the loss falls where xi and alpha have one sign, and rises where they have not.
        corner = found.loss.sel(n_labels=8) - np.log(8)
        self.assertTrue(np.all(corner.sel(xi=1, alpha=1) < 0) and np.all(corner.sel(xi=-1, alpha=-1) < 0))
        self.assertTrue(np.all(corner.sel(xi=1, alpha=-1) > 0) and np.all(corner.sel(xi=-1, alpha=1) > 0))

    def test_cases_jump_when_they_should(self):
        found = self.study("trajectories", "{cases: [more, equal, given], n_labels: [32, 8, 32], beta_1: [0, 0, 5], beta_1_rate: [1, 1, 0]}")
        np.testing.assert_allclose(found.transition_time, [49.8025, np.inf, 18.44], rtol=1e-3)
        np.testing.assert_allclose(found.context_label_mass_at_onset.sel(case="more"), 0.40074, rtol=1e-4)
        more, equal, given = (found.sel(case=name) for name in ("more", "equal", "given"))
        np.testing.assert_allclose(np.interp(49.8025, more.time, more.right_label), 9 / 16, rtol=1e-2)
        np.testing.assert_allclose(more.loss, -np.log(more.right_label), rtol=1e-9)
        self.assertTrue(np.all(equal.loss == equal.loss[0]) and np.all(equal.xi == 0))
        self.assertTrue(np.all(given.beta_1 == 5))

    def test_exponents_are_three_halves_two_and_none(self):
        found = self.study("transition_times", "{n_pairs: [128, 256, 512, 1024, 2048], ratios: [4], surpluses: [1, 0]}")
        np.testing.assert_allclose(found.exponent[:2], [1.5, 2], atol=3e-3)
        np.testing.assert_allclose(found.local_exponent[:2, 2:], [[1.5] * 3, [2] * 3], atol=8e-3)
        np.testing.assert_allclose(found.transition_time[:2, 1:] / found.asymptote[:2, 1:], 1, atol=8e-3)
        self.assertTrue(np.all(np.isinf(found.transition_time[2])) and np.isnan(found.exponent[2]))
        self.assertTrue(np.all(found.fit_residual[:2] < 1e-3) and np.all(found.fit_residual[:2] > 0))
        nearby = self.study("transition_times", "{n_pairs: [512, 1024], ratios: [], surpluses: [0], xi: 0.1, alpha: 0.1}")
        np.testing.assert_allclose(nearby.local_exponent[0, 1], 2, atol=8e-3)

    def lines(self, settings):
        config = self.write("study.yaml", f"study: icl_classification.transition_times\nsettings: {settings}\n")
        out, _ = self.saltus("study", config, "--out", "out.h5", "--overwrite")
        return [line.strip() for line in out.splitlines() if line.strip().startswith(("L =", "N ="))]

    def test_more_labels_than_pairs_bring_the_jump_forward(self):
        found = self.study("transition_times", "{n_pairs: [4, 8], fixed_n_pairs: [8, 32]}")
        times = found.transition_time_by_labels
        np.testing.assert_allclose(times.sel(fixed_n_pairs=8, surplus=[1, 24 - 8]), [117.42019652, 52.896012], rtol=1e-6)
        self.assertEqual(list(np.isfinite(times).sum("surplus")), [len(found.surplus[found.surplus <= 15 * n]) for n in (8, 32)])
        for n in (8, 32):
            self.assertTrue(np.all(np.diff(times.sel(fixed_n_pairs=n).dropna("surplus")) < 0))
        self.assertIn("N = 8: t* is 117.42 at L = 9, ", self.lines("{n_pairs: [4, 8], ratios: [], fixed_n_pairs: [8]}")[-1])
        self.assertNotIn("surplus", self.study("transition_times", "{n_pairs: [4, 8], fixed_n_pairs: []}"))

    def test_a_line_says_why_there_is_no_exponent(self):
        few = "n_pairs: [8, 16], ratios: [4], surpluses: [], fixed_n_pairs: []"
        line = self.lines("{%s}" % few)[0]
        self.assertRegex(line, r"^L = 4 N: t\* ~ N\^1\.\d{4} at N = 16, where it is [\d.]+, [\d.]+ of the asymptote; too few jumps among the larger N")
        self.assertEqual(self.lines("{%s, last_time: 10}" % few), ["L = 4 N: no jump by 10"])
        self.assertEqual(self.lines("{%s, xi: 60, alpha: 60, beta_1: 60}" % few), ["L = 4 N: the start is past the jump"])
        self.assertRegex(self.lines("{%s, last_time: 80}" % few)[0],
                         r"^L = 4 N: t\* is 49\.803 at N = 8, [\d.]+ of the asymptote; too few jumps among the larger N to fit an exponent; "
                         r"at N = 16 no jump by 80$")
        never = "n_pairs: [8, 16], ratios: [], surpluses: [0], fixed_n_pairs: []"
        self.assertEqual(self.lines("{%s}" % never), ["L = N: nothing moves, t* is infinite"])
        # One number of competitors for all N is not what the asymptote assumes.
        self.assertNotIn("asymptote", self.lines("{%s, competing_tokens: 8}" % few)[0])
        self.assertTrue(np.all(np.isnan(self.study("transition_times", "{%s, competing_tokens: 8}" % few).asymptote)))
        self.assertNotIn("nan", " ".join(self.lines("{n_pairs: [4, 8, 16], ratios: [4], surpluses: [1, 0], last_time: 30, per_position: true}")))

    def plotted(self, name):
        command = [sys.executable, os.path.join(ROOT, "scripts", "plot_study.py"), self.path(f"{name}.h5"), "--out", self.path(f"{name}.svg")]
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return self.read(f"{name}.svg").decode()

    def test_every_config_has_a_figure(self):
        for name in ("landscape", "trajectories", "transition_times"):
            self.saltus("study", os.path.join(ROOT, "configs", "icl_classification", f"{name}.yaml"), "--out", f"{name}.h5")
            self.assertIn("</svg>", self.plotted(name))

    def test_a_figure_calls_infinite_what_is_infinite_and_nothing_else(self):
        for settings, there, absent in (("surpluses: [0]", r"\infty", "not reached"), ("surpluses: [1], last_time: 9", "not reached", r"\infty"),
                                        ("surpluses: [1], xi: 60, alpha: 60, beta_1: 60", "past it at the start", r"\infty")):
            self.study("transition_times", "{n_pairs: [8, 16], ratios: [], fixed_n_pairs: [], %s}" % settings)
            figure = self.plotted("out")
            self.assertEqual((there in figure, absent in figure), (True, False), settings)  # texts are comments beside their paths
            self.assertNotIn(r"\pm", figure)

    def test_refusals(self):
        self.assertIn("2 values for 3 cases: give one, or one for each", self.study("trajectories", "{cases: [a, b, c], xi: [0, 1]}", rc=2))
        self.assertIn("4 labels for 8 pairs in 'b': at least 8 are needed", self.study("trajectories", "{cases: [a, b], n_labels: [32, 4]}", rc=2))
        self.assertIn("must name one or more numbers, none below n_pairs (8)", self.study("landscape", "{n_labels: [7]}", rc=2))
        self.assertIn("1 values for 2 of start_xi", self.study("landscape", "{start_xi: [0, 1], start_alpha: [0]}", rc=2))
        self.assertIn("each larger than the one before", self.study("transition_times", "{n_pairs: [8, 8]}", rc=2))
        self.assertIn("must be null with per_position", self.study("transition_times", "{competing_tokens: 3, per_position: true}", rc=2))


if __name__ == "__main__":
    unittest.main()
