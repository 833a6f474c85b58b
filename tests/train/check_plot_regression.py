"""Draws the figures of runs of icl_regression, icl_regression_deep and titans_regression with scripts/plot_run.py, from files written here in the layout of
docs/run_file.md, and reads the figures' words. The circuits that it draws are compared with products taken here."""

import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
sys.dont_write_bytecode = True
from plots import icl_regression  # noqa: E402 (its folder has just been named)

D, LENGTH = 5, 40
STEPS = np.unique(np.r_[0, 2 ** np.arange(15), 10000, 20000])


def plot(*arguments):
    return subprocess.run([SCRIPTS / "plot_run.py", *arguments], capture_output=True, text=True)


def write_group(file, name, coordinates, variables):
    """A table of the run file: coordinates {axis: values}, variables {name: (axes, values)}."""
    group = file.create_group(name)
    for axis, values in coordinates.items():
        group[axis] = [v.encode() for v in values] if isinstance(values[0], str) else values
        group[axis].make_scale(axis)
    for variable, (axes, values) in variables.items():
        data = group.create_dataset(variable, data=np.asarray(values))
        for i, axis in enumerate(axes):
            data.dims[i].attach_scale(group[axis])
    return group


def approach(late):
    """[step, ...]: from 0 to `late`, half-way at step 1000."""
    way = STEPS / (STEPS + 1000.0)
    return way.reshape(-1, *[1] * np.ndim(late)) * np.asarray(late)


def write_common(file, system, config, loss):
    file.attrs.update(system=system, status="done", config_yaml=f"system: {system}\n{config}")
    write_group(file, "train", {"step": STEPS}, {"loss": (["step"], loss)})
    write_group(file, "eval", {"step": STEPS, "evalset": ["test"]}, {"loss": (["step", "evalset"], loss[:, None])})
    write_group(file, "references", {"evalset": ["test"], "predictor": ["zero", "dgd_optimal", "ridge"]},
                {"risk": (["evalset", "predictor"], [[1.1, 0.243, 0.114]])})


CONFIG = """task:
  n_context: 40
  input_dim: 5
  covariance: isotropic
  beta_std: null
  noise_std: 0.31622776601683794
model:
  n_heads: {heads}
  attention: softmax  # how scores become weights
"""


def write_run(path, omega, mu, merged=False):
    """A run whose heads go from a random start to KQ = omega_h I, OV = (0, mu_h). omega [head] and mu [head], or, for several
    tasks, omega [head, input] and mu [head, task]. Returns KQ and OV at the last snapshot."""
    omega, mu = np.array(omega), np.array(mu)
    heads, tasks = len(omega), 1 if mu.ndim == 1 else mu.shape[1]
    features = D + tasks
    random = np.random.default_rng(1)
    kq, ov = random.uniform(-0.4, 0.4, (heads, features, features)), np.zeros((heads, tasks, features))
    kq[:, :, :D] = 0
    for h in range(heads):
        kq[h, :D, :D] = np.diag(np.broadcast_to(omega[h], D))
        ov[h, :, D:] = np.diag(np.broadcast_to(mu[h], tasks))
    with h5py.File(path, "w") as file:
        write_common(file, "icl_regression", CONFIG.format(heads=heads), 1.1 - approach(0.86))
        if mu.ndim == 1:
            per_head = {"omega": (["step", "head"], approach(omega)), "mu": (["step", "head"], approach(mu)),
                        "dummy": (["step", "head"], np.zeros((len(STEPS), heads)))}
        else:
            per_head = {"kq_diagonal": (["step", "head", "input"], approach(omega)), "ov_task": (["step", "head", "task"], approach(mu))}
        scalars = {name: (["step"], approach(late)) for name, late in (("kq_diagonal_ratio_mean", 0.999), ("zero_sum", 0.01),
                                                                      ("effective_learning_rate", 0.88), ("distance_to_dgd", 0.002),
                                                                      ("prediction_power", 0.8))}
        write_group(file, "progress", {"step": STEPS, "head": np.arange(heads), "input": np.arange(D), "task": np.arange(tasks)},
                    {**per_head, **scalars})
        write_weights(file, approach(kq), approach(ov), merged)
    return kq, ov


def write_weights(file, kq, ov, merged):
    steps, heads, tasks, features = ov.shape
    axes = {"ckpt_step": STEPS, "layer": [0], "head": np.arange(heads), "key": np.arange(features), "feature": np.arange(features),
            "task": np.arange(tasks)}
    square, wide = ["ckpt_step", "layer", "head", "key", "feature"], ["ckpt_step", "layer", "head", "task", "feature"]
    if merged:
        write_group(file, "weights", axes, {"W_KQ": (square, kq[:, None]), "W_OV": (wide, ov[:, None])})
        return
    identity = np.broadcast_to(np.eye(features), kq.shape)
    write_group(file, "weights", axes, {  # KQ = W_K' W_Q / sqrt(D): all of it in W_K, transposed
        "W_K": (square, kq.swapaxes(2, 3)[:, None] * np.sqrt(features)), "W_Q": (square, identity[:, None]),
        "W_V": (square, identity[:, None]), "W_O": (wide, ov[:, None])})


def write_deep_run(path):
    seen = np.arange(LENGTH + 1)
    with h5py.File(path, "w") as file:
        write_common(file, "icl_regression_deep", "", 1.1 - approach(0.9))
        write_group(file, "progress", {"step": STEPS, "n_seen": seen},
                    {"pointwise_loss": (["step", "n_seen"], 1.1 - approach(0.9 * seen / LENGTH))})


def write_drifting_run(path, gates):
    """A run of titans_regression, of a mixer with gates or without."""
    seen = np.arange(LENGTH)
    pointwise = 1.1 - approach(0.9 * seen / LENGTH)
    with h5py.File(path, "w") as file:
        write_common(file, "titans_regression", "", 1.1 - approach(0.9))
        variables = {"pointwise_loss": (["step", "n_seen"], pointwise)}
        if gates:
            variables["alpha"] = (["step", "layer", "head", "token"], approach(np.full((1, 1, 2), [0.1, 0.3])))
        write_group(file, "progress", {"step": STEPS, "n_seen": seen, "layer": [0], "head": [0], "token": ["x", "y"]}, variables)
        del file["references"]
        write_group(file, "references", {"evalset": ["test"], "predictor": ["kalman", "ridge"], "n_seen": seen},
                    {"risk": (["evalset", "predictor"], [[0.13, 0.159]]),
                     "pointwise_risk": (["evalset", "predictor", "n_seen"], [[0.9 * pointwise[-1], pointwise[-1]]])})


def words_in(run, *arguments):
    figure = run.with_suffix(".svg")
    done = plot(run, "--out", figure, *arguments)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return figure.read_text()


def check_words(folder):
    pair, single, several = folder / "pair.h5", folder / "single.h5", folder / "several.h5"
    write_run(pair, [0.13, -0.13], [3.4, -3.4])
    text = words_in(pair)
    for words in ("dgd optimal 0.243", "ridge 0.114", "(e) circuits at step 20,000", "step 1,024", "step 2,048", "step 10,000",
                  "distance to dgd, relative", "head 1", "kq diagonal ratio"):
        assert words in text, f"the figure says '{words}'"
    write_run(single, [0.52], [1.5])
    assert "one head, theory" in words_in(single) and "one head, theory" not in text
    write_run(several, np.full((6, D), 0.1), np.full((6, 2), 3.0))
    text = words_in(several)
    assert "4 of 6 heads" in text and "of each coordinate" in text and "one head, theory" not in text
    write_deep_run(folder / "deep.h5")
    assert "error by length of the context" in words_in(folder / "deep.h5")
    write_drifting_run(folder / "drifting.h5", gates=True)
    text = words_in(folder / "drifting.h5")
    for words in ("kalman 0.130", "ridge 0.159", "step 20,000", "alpha (token 1)"):
        assert words in text, f"the figure says '{words}'"
    write_drifting_run(folder / "drifting.h5", gates=False)
    assert "measures" not in words_in(folder / "drifting.h5"), "attention has no gates to draw"
    for out, magic in (("figure.png", b"\x89PNG"), ("figure.pdf", b"%PDF")):
        assert plot(pair, "--out", folder / out).returncode == 0
        assert (folder / out).read_bytes().startswith(magic)


def check_circuits(folder):
    for merged in (False, True):
        kq, ov = write_run(folder / "circuits.h5", [0.13, -0.2], [3.4, -2.2], merged)
        with h5py.File(folder / "circuits.h5") as file:
            circuits = icl_regression.Circuits(file)
            drawn, way = circuits.kq(len(STEPS) - 1), 20000 / 21000
            np.testing.assert_allclose(drawn[:, :, :D], way * kq[:, :, :D], rtol=1e-9)
            assert drawn.mask[:, :, D:].all() and not drawn.mask[:, :, :D].any(), "the last column has no effect"
            np.testing.assert_allclose(circuits.ov(len(STEPS) - 1), way * ov, rtol=1e-9)
            assert [circuits.steps[row] for row in circuits.strip_rows()] == [1, 1024, 2048, 10000, 20000]


def check_guides(folder):
    """Section 4's numbers for d = 5, L = 40, noise 0.1: one head 1 / sqrt(5) and sqrt(5) / (1 + .0275 x 5 e); two, mu_.13 = 3.38."""
    for omega, mu, expected in (([0.5], [1.5], (0.4472, 1.6274)), ([0.13, -0.13], [3.4, -3.4], (0.13, 3.38))):
        write_run(folder / "guides.h5", omega, mu)
        with h5py.File(folder / "guides.h5") as file:
            lines = icl_regression.guides(file, 0.13)
            np.testing.assert_allclose((lines["omega"][0][0], lines["mu"][0][0]), expected, rtol=2e-3)
        with h5py.File(folder / "guides.h5", "a") as file:
            file.attrs["config_yaml"] = file.attrs["config_yaml"].replace("isotropic", "kac_murdock_szego")
            assert icl_regression.guides(file, 0.13) == {"omega": [], "mu": []}, "theory for isotropic covariates alone"


def check_refusals(folder):
    write_run(folder / "run.h5", [0.13, -0.13], [3.4, -3.4])
    with h5py.File(folder / "other.h5", "w") as file:
        file.attrs["system"] = "titans"
    with h5py.File(folder / "nameless.h5", "w") as file:
        file["x"] = 1
    for arguments, words in (
        (["other.h5"], "is a run of titans; there are figures for icl_classification, icl_minimal, icl_split, icl_regression"),
        (["nameless.h5"], "does not say which system was trained"),
        (["run.h5", "--level", "0.3"], "--level does nothing for a run of icl_regression"),
        (["run.h5", "--set", "ood"], "has no test set 'ood'; it has: test"),
        (["run.h5", "--measures", "induction"], "has no measure 'induction'; it has: distance_to_dgd"),
    ):
        done = plot(folder / arguments[0], *arguments[1:])
        assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr, (arguments, done)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_words(folder)
        check_circuits(folder)
        check_guides(folder)
        check_refusals(folder)


main()
