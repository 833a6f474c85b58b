#!/usr/bin/python3
"""Recomputes the logits that a run stored, from run.h5 alone.

Usage: rebuild_logits.py RUN.h5

An independent statement of the network (Reddy 2024, eqs. 1-3) in NumPy: plain formulas, float64, no code in common with saltus.
Exits with 1 when any snapshot's logits differ by more than 1e-4 of their size.
"""
import sys

import h5py
import numpy as np
import yaml


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def layer_norm(x, gain, bias):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * gain + bias


def attention(x, w, layer, model):
    """x: [probe, position, d_model]. Returns what the layer adds to x, and its patterns [probe, head, query, key]."""
    n = x.shape[1]
    visible = np.tril(np.ones((n, n), bool))
    added, patterns = np.zeros_like(x), []
    for head in range(w["W_Q"].shape[1]):
        q, k = x @ w["W_Q"][layer, head], x @ w["W_K"][layer, head]
        scores = q @ k.transpose(0, 2, 1)
        if model["scale_attention"]:
            scores = scores / np.sqrt(q.shape[-1])
        pattern = softmax(np.where(visible, scores, -np.inf))
        value = x @ w["W_V"][layer, head]
        if "W_O" in w:
            value = value @ w["W_O"][layer, head]
        added += pattern @ value
        patterns.append(pattern)
    return added, np.stack(patterns, axis=1)


def forward(tokens, w, config, context_labels):
    model, task = config["model"], config["task"]
    x = tokens.copy()
    if model["trainable_labels"]:
        content = 2 * task["max_pairs"] + 1
        x[:, 1::2, content:] += w["embed.label_offset"][context_labels]
    patterns = []
    for layer in range(model["n_layers"]):
        block = f"blocks.{layer}"
        read = layer_norm(x, w[f"{block}.ln.gain"], w[f"{block}.ln.bias"]) if model["layer_norm"] else x
        added, pattern = attention(read, w, layer, model)
        x = x + added
        patterns.append(pattern)
        if model["block_mlp"]:
            read = layer_norm(x, w[f"{block}.ln_mlp.gain"], w[f"{block}.ln_mlp.bias"]) if model["layer_norm"] else x
            x = x + np.maximum(read @ w[f"{block}.mlp.W_in"], 0) @ w[f"{block}.mlp.W_out"]
    h = layer_norm(x, w["ln_final.gain"], w["ln_final.bias"])[:, -1] if model["layer_norm"] else x[:, -1]
    for i in range(model["classifier_layers"]):
        h = np.maximum(h @ w[f"classifier.{i}.W"] + w.get(f"classifier.{i}.b", 0.0), 0)
    return h @ w["unembed.W_U"], np.stack(patterns, axis=1)


def main(path):
    with h5py.File(path, "r") as f:
        config = yaml.safe_load(f.attrs["config_yaml"])
        stored, weights = f["attention"], f["weights"]
        assert list(stored["ckpt_step"]) == list(weights["ckpt_step"]), "attention and weights are of different snapshots"
        names = [name for name in weights if weights[name].ndim and weights[name].shape[0] == len(weights["ckpt_step"])]
        worst = 0.0
        for i, step in enumerate(stored["ckpt_step"]):
            w = {name: weights[name][i].astype(float) for name in names}
            logits, pattern = forward(stored["tokens"][:].astype(float), w, config, stored["context_labels"][:])
            error = np.abs(logits - stored["logits"][i]).max() / np.abs(logits).max()
            worst = max(worst, error, np.abs(pattern - stored["pattern"][i]).max())
            assert worst < 1e-4, f"step {step}: stored logits or patterns are not those of the stored weights (off by {worst:.2g})"
        print(f"{len(stored['ckpt_step'])} snapshots rebuilt; largest difference {worst:.2g}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        main(sys.argv[1])
    except AssertionError as e:
        sys.exit(str(e))
