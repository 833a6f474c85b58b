"""The model of peers/titans_recall.py in JAX; its equations stand there."""

import jax
import jax.numpy as jnp

N_HEADS, D_HEAD, CONV_WIDTH, CHUNK, N_PERSISTENT = 2, 32, 4, 16, 4
THETA_MAX, ALPHA_MAX = 0.1, 0.1
MIXER, MLP = "blocks.0.mixer.", "blocks.0.mlp."


def rms_norm(x, gain):
    return x * jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + 1e-6) * gain


def l2_normalised(x):
    return x * jax.lax.rsqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-6)


def into_heads(x):
    """[batch, position, channel] -> [batch, head, position, d_head]"""
    return x.reshape(*x.shape[:2], N_HEADS, -1).swapaxes(1, 2)


def convolved(x, kernel):
    """Each channel with its own past, as a sum of shifted copies. x [batch, position, channel], kernel
    [channel, width]."""
    past = jnp.pad(x, ((0, 0), (CONV_WIDTH - 1, 0), (0, 0)))
    return sum(past[:, j : j + x.shape[1]] * kernel[:, j] for j in range(CONV_WIDTH))


def queries_keys_values(W, x):
    """Each [batch, head, position, d_head]."""
    q, k, v = (convolved(x @ W[f"{MIXER}W_{part}"], W[f"{MIXER}conv_{part}"]) for part in "QKV")
    return l2_normalised(into_heads(jax.nn.silu(q))), l2_normalised(into_heads(jax.nn.silu(k))), into_heads(v)


def mix(W, u, remember):
    def gate(name):
        return jax.nn.sigmoid(x @ W[f"{MIXER}W_{name}"] + W[f"{MIXER}b_{name}"]).swapaxes(1, 2)

    persistent = W[MIXER + "persistent"]
    x = jnp.concatenate((jnp.broadcast_to(persistent, (len(u), *persistent.shape)), u), axis=1)
    gates = THETA_MAX * gate("theta"), gate("eta"), ALPHA_MAX * gate("alpha")  # [batch, head, position]
    out = remember(W[MIXER + "M_0.0"].reshape(N_HEADS, D_HEAD, D_HEAD), *queries_keys_values(W, x), *gates)
    out = rms_norm(out.swapaxes(1, 2), W[MIXER + "norm.gain"]).reshape(*u.shape[:2], -1)
    return (out * jax.nn.silu(u @ W[MIXER + "W_G"])) @ W[MIXER + "W_O"]


def loss_with(remember):
    """`remember` writes and reads the memory: [batch, head, position, d_head] without the persistent tokens."""

    def loss(W, batch):
        x = W["embed.W_E"][batch["tokens"].astype(jnp.int32)]  # [batch, position, d_model]
        x = x + mix(W, rms_norm(x, W["blocks.0.norm.gain"]), remember)
        u = rms_norm(x, W["blocks.0.norm_mlp.gain"])
        x = x + (jax.nn.silu(u @ W[MLP + "W_gate"]) * (u @ W[MLP + "W_in"])) @ W[MLP + "W_out"]
        logits = jax.nn.log_softmax(rms_norm(x, W["norm_final.gain"]) @ W["unembed.W_U"])
        target, weight = batch["target"].astype(jnp.int32), batch["weight"]
        losses = -jnp.take_along_axis(logits, target[..., None], axis=2)[..., 0]
        return ((weight * losses).sum(1) / weight.sum(1)).mean()

    return loss


def inner_loss(M, k, v):
    return jnp.square(k @ M - v).sum()


def memory_of_one_head(M_0, q, k, v, theta, eta, alpha):
    """As one writes it: the inner gradients of a chunk's tokens by autograd, the recurrence a scan over its tokens, the
    sequence a scan over its chunks. q, k, v [position, d_head], gates [position]."""

    def token(carry, at):
        M, S = carry
        q, gradient, theta, eta, alpha = at
        S = eta * S - theta * gradient
        M = M_0 + (1 - alpha) * (M - M_0) + S
        return (M, S), q @ M

    def chunk(carry, at):
        q, k, v, *gates = at
        gradients = jax.vmap(jax.grad(inner_loss), in_axes=(None, 0, 0))(carry[0], k, v)
        return jax.lax.scan(token, carry, (q, gradients, *gates))

    parts = (q, k, v, theta, eta, alpha)
    carry, _ = chunk((M_0, jnp.zeros_like(M_0)), [x[:N_PERSISTENT] for x in parts])
    chunks = [x[N_PERSISTENT:].reshape(-1, CHUNK, *x.shape[1:]) for x in parts]
    return jax.lax.scan(chunk, carry, chunks)[1].reshape(-1, D_HEAD)


differentiated = jax.vmap(jax.vmap(memory_of_one_head), in_axes=(None, 0, 0, 0, 0, 0, 0))


def products(logs):
    """Of the factors up to i, and of the factors j < l <= i, 0 where j > i: [..., i] and [..., i, j]."""
    sums = logs.cumsum(-1)
    not_later = jnp.tril(jnp.ones((logs.shape[-1],) * 2, bool))
    return jnp.exp(sums), jnp.exp(jnp.where(not_later, sums[..., :, None] - sums[..., None, :], -jnp.inf))


def chunk_parts(M_0, q, k, v, theta, eta, alpha):
    """What chunks take from their own tokens alone: q, k, v [..., head, token, d_head], gates [..., head, token]."""
    beta, decay = products(jnp.log1p(-alpha))
    m, momentum = products(jnp.log(eta))
    momentum = momentum * (2 * theta)[..., None, :]  # [k, j]: of token j's gradient, 2 k' (k M - v), in S_k
    written = decay @ momentum  # [i, j]: of token j's gradient in M_i
    f = (decay * m[..., None, :]).sum(-1)  # of S before the chunk in M_i
    reads = jnp.concatenate((q * beta[..., None], q * f[..., None]), axis=-1)  # of (moved, S)
    last = jnp.concatenate((k * written[..., -1, :, None], k * momentum[..., -1, :, None]), axis=-1)
    kept = tuple(x[..., -1, None, None] for x in (beta, f, m))
    return (k, k @ M_0 - v, reads, q @ M_0, (q @ k.swapaxes(-1, -2)) * written, last.swapaxes(-1, -2), *kept)


def pass_chunk(carry, parts):
    moved, S = carry  # moved: M - M_0; [..., head, in, out]
    k, k_initial, reads, q_initial, seen, writes, kept_M, carried_M, carried_S = parts
    error = k_initial + k @ moved
    out = q_initial + reads @ jnp.concatenate((moved, S), axis=-2) - seen @ error
    to_M, to_S = jnp.split(writes @ error, 2, axis=-2)
    return (kept_M * moved - to_M + carried_M * S, carried_S * S - to_S), out


def chunked(M_0, q, k, v, theta, eta, alpha):
    """By the chunk algebra that saltus uses: a chunk's tokens in a few matrix products, what does not depend on M for
    all chunks at once, the chunks a scan; the persistent tokens, the same for all sequences, once."""
    parts = (q, k, v, theta, eta, alpha)
    zeros = jnp.zeros_like(M_0)
    carry, _ = pass_chunk((zeros, zeros), chunk_parts(M_0, *(x[0, :, :N_PERSISTENT] for x in parts)))
    carry = tuple(jnp.broadcast_to(x, (len(q), *x.shape)) for x in carry)

    def by_chunk(x):
        x = x[:, :, N_PERSISTENT:]
        return jnp.moveaxis(x.reshape(*x.shape[:2], -1, CHUNK, *x.shape[3:]), 2, 0)  # [chunk, batch, head, token, ...]

    _, out = jax.lax.scan(pass_chunk, carry, chunk_parts(M_0, *map(by_chunk, parts)), unroll=True)
    return jnp.moveaxis(out, 0, 2).reshape(*q.shape[:2], -1, D_HEAD)


FORMS = {"inner gradients by autograd": loss_with(differentiated), "chunked closed form": loss_with(chunked)}
