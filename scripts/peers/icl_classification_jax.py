"""The network of peers/icl_classification.py in JAX: the mean loss as a function of the weights, by saltus' names, and
of the batch. saltus' attention weights have an axis of one head in front."""

import jax
import jax.numpy as jnp


def cross_entropy(logits, label):
    """Mean over the batch; logits [batch, label]."""
    right = jnp.take_along_axis(jax.nn.log_softmax(logits), label.astype(jnp.int32)[:, None], axis=1)
    return -right.mean()


def classify(W, x):
    for i in range(3):
        x = jax.nn.relu(x @ W[f"classifier.{i}.W"] + W[f"classifier.{i}.b"])
    return x @ W["unembed.W_U"]


def attention_weights(W, layer):
    return (W[f"blocks.{layer}.attn.{name}"].reshape(128, 128) for name in ("W_Q", "W_K", "W_V"))


def causal(scores):
    n = scores.shape[-1]
    return jnp.where(jnp.tril(jnp.ones((n, n), bool)), scores, -jnp.inf)


def as_written(W, batch):
    """Queries, keys and values of every token in both layers and a causal mask."""
    x = batch["tokens"]  # [batch, position, d_model]
    for layer in range(2):
        W_Q, W_K, W_V = attention_weights(W, layer)
        scores = jnp.einsum("bqd,bkd->bqk", x @ W_Q, x @ W_K)
        x = x + jax.nn.softmax(causal(scores)) @ (x @ W_V)
    return cross_entropy(classify(W, x[:, -1]), batch["label"])


def rearranged(W, batch):
    """Q K' multiplied out in layer 1; layer 2 for the last token alone, without a key of any token; patterns applied
    before V."""
    u = batch["tokens"]  # [batch, position, d_model]
    W_Q, W_K, W_V = attention_weights(W, 0)
    scores = jnp.einsum("bqd,bkd->bqk", u @ (W_Q @ W_K.T), u)
    v = u + (jax.nn.softmax(causal(scores)) @ u) @ W_V
    W_Q, W_K, W_V = attention_weights(W, 1)
    target = v[:, -1]  # [batch, d_model]
    pattern = jax.nn.softmax(jnp.einsum("bkd,bd->bk", v, (target @ W_Q) @ W_K.T))
    return cross_entropy(classify(W, target + jnp.einsum("bk,bkd->bd", pattern, v) @ W_V), batch["label"])


FORMS = {"as written": as_written, "rearranged like saltus": rearranged}
