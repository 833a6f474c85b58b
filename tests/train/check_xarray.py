"""Opens every group of a run that synthetic_run wrote as a user would, with xarray, and compares names, shapes and values.

Usage: check_xarray.py <synthetic_run program>
"""

import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import xarray as xr

# What every variable's axes must be called.
DIMS = {
    "train": {name: ("step",) for name in ("loss", "lr", "grad_norm")},
    "eval": {name: ("step", "evalset") for name in ("loss", "accuracy")},
    "progress": {
        **{
            name: ("step", "layer", "head")
            for name in ("item_label", "prev_token", "target_item_label", "target_labels", "induction_strength", "attention_entropy")
        },
        "context_label_accuracy": ("step",),
        "context_label_mass": ("step",),
    },
    "weights": {
        "W_Q": ("ckpt_step", "layer", "head", "d_model", "d_head"),
        "classifier.0.W": ("ckpt_step", "d_model", "class"),
        "embed.W": ("ckpt_step", "d_model", "d_model_2"),
    },
    "attention": {
        "pattern": ("ckpt_step", "probe", "layer", "head", "query", "key"),
        "logits": ("ckpt_step", "probe", "class"),
        "tokens": ("probe", "position", "d_model"),
        "label": ("probe",),
        "context_labels": ("probe", "pair"),
        "context_match": ("probe", "pair"),
    },
}


def check_groups(path):
    for group, variables in DIMS.items():
        with xr.open_dataset(path, engine="h5netcdf", group=group) as data:
            assert {name: data[name].dims for name in data.data_vars} == variables, group
            assert set(data.coords) == set(data.dims), f"{group}: every dimension has its coordinate"
            assert data.attrs["NX_class"] == "NXdata"
            assert tuple(np.atleast_1d(data.attrs["axes"])) == data[data.attrs["signal"]].dims


def check_values(path):
    def group(name):
        return xr.open_dataset(path, engine="h5netcdf", group=name).load()

    train, evals, progress, weights, attention = map(group, DIMS)
    assert train.step.values.tolist() == list(range(0, 8001, 10)) and train.step.dtype == np.int64
    assert train.step.attrs["units"] == "optimizer steps" and train.loss.attrs["units"] == "nats"
    assert train.lr.dtype == np.float32 and (train.lr == np.float32(0.01)).all()
    assert evals.evalset.values.tolist() == ["iid", "ic", "ic2", "iw", "ciwl"]
    accuracy = evals.accuracy.sel(evalset="ic")
    assert accuracy.sel(step=0) < 0.15 and accuracy.sel(step=8000) > 0.95
    assert progress.item_label.dtype == np.float64
    np.testing.assert_allclose(progress.attention_entropy.isel(layer=1, head=0).values[-1], 0.7, atol=0.01)
    assert (weights["W_Q"].sel(ckpt_step=1500) == 1500).all() and weights["embed.W"].shape == (17, 8, 8)
    np.testing.assert_allclose(attention.pattern.sum("key"), 1, rtol=1e-5)
    assert float(attention.pattern.sel(ckpt_step=8000, probe=2, layer=1, query=16, key=5)) > 0.9
    assert attention.tokens.values.ravel().tolist() == [i / 4 for i in range(3 * 17 * 8)]
    assert attention.label.values.tolist() == [5, 6, 7]


def check_file(path):
    with h5py.File(path) as file:
        assert file.attrs["status"] == "done" and file.attrs["schema_version"] == 1
        assert file.attrs["config_yaml"].endswith("é\n") and file.attrs["rng"] == "philox4x32-10"
        assert list(file["eval"]) == ["step", "evalset", "loss", "accuracy"], "in the order they were declared"
        assert file["train/loss"].chunks == (1024,) and file["train/loss"].maxshape == (None,)
        assert file["weights/W_Q"].chunks == (1, 2, 1, 8, 4)


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        subprocess.run([sys.argv[1], run], check=True)
        assert sorted(p.name for p in run.iterdir()) == ["run.h5"], "a finished run leaves no journal and no temporary file"
        check_groups(run / "run.h5")
        check_values(run / "run.h5")
        check_file(run / "run.h5")


main()
