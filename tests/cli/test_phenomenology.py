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
        found = self.study("transition_times", "{n_pairs: [256, 512, 1024, 2048], ratios: [4], surpluses: [1, 0]}")
        np.testing.assert_allclose(found.exponent[:2], [1.5, 2], atol=3e-3)
        np.testing.assert_allclose(found.local_exponent[:2, 1:], [[1.5] * 3, [2] * 3], atol=8e-3)
        np.testing.assert_allclose(found.transition_time[:2] / found.asymptote[:2], 1, atol=8e-3)
        self.assertTrue(np.all(np.isinf(found.transition_time[2])) and np.isnan(found.exponent[2]))
        nearby = self.study("transition_times", "{n_pairs: [512, 1024], ratios: [], surpluses: [0], xi: 0.1, alpha: 0.1}")
        np.testing.assert_allclose(nearby.local_exponent[0, 1], 2, atol=8e-3)

    def test_every_config_has_a_figure(self):
        for name in ("landscape", "trajectories", "transition_times"):
            self.saltus("study", os.path.join(ROOT, "configs", "icl_classification", f"{name}.yaml"), "--out", f"{name}.h5")
            command = [sys.executable, os.path.join(ROOT, "scripts", "plot_study.py"), self.path(f"{name}.h5")]
            done = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertTrue(self.read(f"{name}.png").startswith(b"\x89PNG"))

    def test_refusals(self):
        self.assertIn("2 values for 3 cases: give one, or one for each", self.study("trajectories", "{cases: [a, b, c], xi: [0, 1]}", rc=2))
        self.assertIn("4 labels for 8 pairs in 'b': at least 8 are needed", self.study("trajectories", "{cases: [a, b], n_labels: [32, 4]}", rc=2))
        self.assertIn("must name one or more numbers, none below n_pairs (8)", self.study("landscape", "{n_labels: [7]}", rc=2))
        self.assertIn("1 values for 2 of start_xi", self.study("landscape", "{start_xi: [0, 1], start_alpha: [0]}", rc=2))
        self.assertIn("each larger than the one before", self.study("transition_times", "{n_pairs: [8, 8]}", rc=2))
        self.assertIn("must be null with per_position", self.study("transition_times", "{competing_tokens: 3, per_position: true}", rc=2))


if __name__ == "__main__":
    unittest.main()
