"""The model of peers/lama.py in JAX, with the GRU as a scan over the words of padded texts."""

import jax
import jax.numpy as jnp

D_HIDDEN = 48


def gru(W, direction, e, mask):
    """[word, batch, d_hidden] of e [word, batch, d_embed]; the state is 0 until a text's first word, whichever end that
    is. The products with the inputs are taken for all words at once."""
    W_hidden, b_hidden = W[f"encoder.{direction}.W_hidden"], W[f"encoder.{direction}.b_hidden"]
    from_input = e @ W[f"encoder.{direction}.W_input"] + W[f"encoder.{direction}.b_input"]  # [word, batch, gate]

    def word(h, at):
        x, present = at
        reset_x, update_x, new_x = jnp.split(x, 3, axis=-1)
        reset_h, update_h, new_h = jnp.split(h @ W_hidden + b_hidden, 3, axis=-1)
        update = jax.nn.sigmoid(update_x + update_h)
        new = jnp.tanh(new_x + jax.nn.sigmoid(reset_x + reset_h) * new_h)
        h = present * (new + update * (h - new))
        return h, h

    start = jnp.zeros((e.shape[1], D_HIDDEN))
    return jax.lax.scan(word, start, (from_input, mask.T[..., None]), reverse=direction == "backward")[1]


def loss(W, batch):
    mask = batch["mask"]  # [batch, word]
    e = W["embed.W_E"][batch["tokens"].astype(jnp.int32).T]  # [word, batch, d_embed]
    H = jnp.concatenate([gru(W, direction, e, mask) for direction in ("forward", "backward")], axis=-1)
    H = H.swapaxes(0, 1)  # [batch, word, d_model]
    context = (H * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    u = jnp.tanh(H @ W["word_mlp.W"] + W["word_mlp.b"])
    z = jnp.tanh((u @ W["blocks.0.attn.Q"]) * (context @ W["blocks.0.attn.P"])[:, None])  # [batch, word, head]
    f = z / jnp.sqrt(jnp.maximum(jnp.square(z).sum(-1, keepdims=True), 1e-16))
    A = jax.nn.softmax(jnp.where(mask[:, None] == 0, -jnp.inf, f.swapaxes(1, 2)))  # [batch, head, word]
    hidden = jax.nn.relu((A @ H).reshape(len(H), -1) @ W["classifier.W_1"] + W["classifier.b_1"])
    logits = jax.nn.log_softmax(hidden @ W["classifier.W_2"] + W["classifier.b_2"])
    return -jnp.take_along_axis(logits, batch["label"].astype(jnp.int32)[:, None], axis=1).mean()


FORMS = {"scanned GRU": loss}
