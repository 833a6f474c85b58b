"""The model of peers/icl_regression.py in JAX, drawing new examples every step."""

import math

import jax
import jax.numpy as jnp

BATCH, INPUT_DIM, N_CONTEXT, N_HEADS = 256, 5, 40, 2
NOISE_STD = math.sqrt(0.1)
FEATURES = INPUT_DIM + 1


def attention(W):
    """W_Q, W_K, W_V [head, d_head, feature], W_O [head, 1, d_head]."""
    shapes = {"W_Q": FEATURES, "W_K": FEATURES, "W_V": FEATURES, "W_O": 1}
    return (W[f"blocks.0.attn.{name}"].reshape(N_HEADS, rows, FEATURES) for name, rows in shapes.items())


def as_written(W, batch):
    """Keys and values of every context token."""
    W_Q, W_K, W_V, W_O = attention(W)
    context, query = (
        batch["tokens"][:, :, :-1],
        batch["tokens"][:, :, -1],
    )  # [batch, feature, position], [batch, feature]
    q = jnp.einsum("hij,bj->bhi", W_Q, query)
    k = jnp.einsum("hij,bjt->bhit", W_K, context)
    v = jnp.einsum("hij,bjt->bhit", W_V, context)
    pattern = jax.nn.softmax(jnp.einsum("bhit,bhi->bht", k, q) / math.sqrt(FEATURES))
    y = jnp.einsum("hoi,bhi->bo", W_O, jnp.einsum("bhit,bht->bhi", v, pattern))
    return jnp.square(y - batch["target"]).mean()


def rearranged(W, batch):
    """K'Q and OV multiplied out once a step, the query turned into one vector a head, the pattern applied before OV."""
    W_Q, W_K, W_V, W_O = attention(W)
    context, query = batch["tokens"][:, :, :-1], batch["tokens"][:, :, -1]
    KQ = jnp.einsum("hij,hik->hjk", W_K, W_Q) / math.sqrt(FEATURES)  # [head, feature, feature]
    OV = jnp.einsum("hoi,hij->hj", W_O, W_V)  # [head, feature]
    keys = jnp.einsum("hjk,bk->bhj", KQ, query)
    pattern = jax.nn.softmax(jnp.einsum("bhj,bjt->bht", keys, context))
    mixed = jnp.einsum("bht,bit->bhi", pattern, context)
    y = jnp.einsum("bhi,hi->b", mixed, OV)[:, None]
    return jnp.square(y - batch["target"]).mean()


def sample(key):
    """A batch as the authors draw it: new covariates, coefficients and noise for every sequence."""
    draws = jax.random.normal(key, (BATCH, INPUT_DIM + 1, N_CONTEXT + 2))
    x, noise = draws[:, :INPUT_DIM, :-1], draws[:, INPUT_DIM, :-1]
    beta = draws[:, :INPUT_DIM, -1] / math.sqrt(INPUT_DIM)
    y = jnp.einsum("bi,bit->bt", beta, x) + NOISE_STD * noise
    tokens = jnp.concatenate((x, y.at[:, -1].set(0)[:, None]), axis=1)
    return {"tokens": tokens, "target": y[:, -1:]}


FORMS = {"as written": as_written, "rearranged like saltus": rearranged}
