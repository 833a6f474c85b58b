"""The model of configs/titans/recall_memory.yaml (Titans, arXiv 2501.00663, sections 3 and 4.4) in PyTorch.

S_t = eta_t S_{t-1} - theta_t grad_M |k_t M - v_t|^2 at the chunk's first M,
M_t = M_0 + (1 - alpha_t) (M_{t-1} - M_0) + S_t,  out_t = q_t M_t,
each head for itself; the persistent tokens come before the sequence and are a chunk of their own."""

import torch
from torch import nn
from torch.nn import functional as F

try:
    from torch.func import grad, vmap
except ImportError:  # PyTorch 1
    from functorch import grad, vmap

D_MODEL, WIDTH, N_TOKENS = 64, 128, 64
N_HEADS, D_HEAD, CONV_WIDTH, CHUNK, N_PERSISTENT = 2, 32, 4, 16, 4
THETA_MAX, ALPHA_MAX = 0.1, 0.1
CHANNELS = N_HEADS * D_HEAD

MIXER, MLP = "blocks.0.mixer.", "blocks.0.mlp."
SHAPES = {
    "embed.W_E": (N_TOKENS, D_MODEL),
    "blocks.0.norm.gain": (D_MODEL,),
    MIXER + "persistent": (N_PERSISTENT, D_MODEL),
    **{f"{MIXER}W_{part}": (D_MODEL, CHANNELS) for part in "QKVG"},
    **{f"{MIXER}conv_{part}": (CHANNELS, CONV_WIDTH) for part in "QKV"},
    **{f"{MIXER}W_{gate}": (D_MODEL, N_HEADS) for gate in ("theta", "eta", "alpha")},
    **{f"{MIXER}b_{gate}": (N_HEADS,) for gate in ("theta", "eta", "alpha")},
    MIXER + "M_0.0": (N_HEADS, D_HEAD, D_HEAD),
    MIXER + "norm.gain": (D_HEAD,),
    MIXER + "W_O": (CHANNELS, D_MODEL),
    "blocks.0.norm_mlp.gain": (D_MODEL,),
    MLP + "W_gate": (D_MODEL, WIDTH),
    MLP + "W_in": (D_MODEL, WIDTH),
    MLP + "W_out": (WIDTH, D_MODEL),
    "norm_final.gain": (D_MODEL,),
    "unembed.W_U": (D_MODEL, N_TOKENS),
}


def rms_norm(x, gain):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * gain


def l2_normalised(x):
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6)


def into_heads(x):
    """[batch, position, channel] -> [batch, head, position, d_head]"""
    return x.view(*x.shape[:2], N_HEADS, -1).transpose(1, 2)


class Network(nn.Module):
    """All but the memory, `remember`, which each peer writes in its own way."""

    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterDict(
            {name.replace(".", "/"): nn.Parameter(torch.empty(shape)) for name, shape in SHAPES.items()}
        )

    @staticmethod
    def weight_names():
        return list(SHAPES)

    def weight(self, name):
        return self.weights[name.replace(".", "/")]

    def loss(self, batch):
        weight = batch["weight"]
        losses = F.cross_entropy(self(batch["tokens"]).transpose(1, 2), batch["target"].long(), reduction="none")
        return ((weight * losses).sum(1) / weight.sum(1)).mean()

    def forward(self, tokens):
        W = self.weight
        x = F.embedding(tokens, W("embed.W_E"))  # [batch, position, d_model]
        x = x + self.mix(rms_norm(x, W("blocks.0.norm.gain")))
        u = rms_norm(x, W("blocks.0.norm_mlp.gain"))
        x = x + (F.silu(u @ W(MLP + "W_gate")) * (u @ W(MLP + "W_in"))) @ W(MLP + "W_out")
        return rms_norm(x, W("norm_final.gain")) @ W("unembed.W_U")

    def mix(self, u):
        W = self.weight
        x = torch.cat((W(MIXER + "persistent").expand(len(u), -1, -1), u), dim=1)
        q, k, v = self.queries_keys_values(x)
        theta = THETA_MAX * self.gate(x, "theta")
        eta, alpha = self.gate(x, "eta"), ALPHA_MAX * self.gate(x, "alpha")
        out = self.remember(q, k, v, theta, eta, alpha)  # [batch, head, position, d_head] without the persistent tokens
        out = rms_norm(out.transpose(1, 2), W(MIXER + "norm.gain")).reshape(*u.shape[:2], CHANNELS)
        return (out * F.silu(u @ W(MIXER + "W_G"))) @ W(MIXER + "W_O")

    def gate(self, x, name):
        """[batch, head, position]"""
        return torch.sigmoid(x @ self.weight(f"{MIXER}W_{name}") + self.weight(f"{MIXER}b_{name}")).transpose(1, 2)

    def queries_keys_values(self, x):
        """Each [batch, head, position, d_head]."""
        q, k, v = (self.convolved(x @ self.weight(f"{MIXER}W_{part}"), part) for part in "QKV")
        return l2_normalised(into_heads(F.silu(q))), l2_normalised(into_heads(F.silu(k))), into_heads(v)

    def convolved(self, x, part):
        kernel = self.weight(f"{MIXER}conv_{part}")[:, None]  # [channel, 1, width]
        past = F.pad(x.transpose(1, 2), (CONV_WIDTH - 1, 0))
        return F.conv1d(past, kernel, groups=CHANNELS).transpose(1, 2)


def inner_loss(M, k, v):
    return (k @ M - v).square().sum()


# [batch, head, position, in, out]: each token's own, at the M [batch, head, in, out] that a chunk's tokens share
inner_gradients = vmap(vmap(vmap(grad(inner_loss), in_dims=(None, 0, 0))))


class DifferentiatedMemory(Network):
    """As one writes it: the inner gradients of a chunk's tokens by autograd, then the recurrences token by token."""

    def remember(self, q, k, v, theta, eta, alpha):
        M_0 = self.weight(MIXER + "M_0.0")
        M = M_0.expand(len(q), -1, -1, -1)  # [batch, head, in, out]
        S = torch.zeros_like(M)
        theta, eta, kept = (gate[..., None, None].unbind(2) for gate in (theta, eta, 1 - alpha))
        starts = [0, *range(N_PERSISTENT, q.shape[2], CHUNK)]
        out = []
        for start, end in zip(starts, [*starts[1:], q.shape[2]]):
            gradients = inner_gradients(M, k[:, :, start:end], v[:, :, start:end]).unbind(2)
            for t in range(start, end):
                S = eta[t] * S - theta[t] * gradients[t - start]
                M = M_0 + kept[t] * (M - M_0) + S
                out.append(q[:, :, t : t + 1] @ M)
        return torch.cat(out[N_PERSISTENT:], dim=2)


class ChunkedMemory(Network):
    """The same function by the chunk algebra that saltus uses: a chunk's tokens in a few matrix products, all that does
    not depend on M for all chunks at once; the persistent tokens, the same for all sequences, once."""

    def __init__(self):
        super().__init__()
        self.register_buffer("not_later", torch.ones(CHUNK, CHUNK, dtype=torch.bool).tril())  # [i, j]: j <= i

    def convolved(self, x, part):
        """PyTorch's convolution of single channels takes longer on the CPU than four shifted sums."""
        kernel = self.weight(f"{MIXER}conv_{part}")
        past = F.pad(x, (0, 0, CONV_WIDTH - 1, 0))
        y = past[:, : x.shape[1]] * kernel[:, 0]
        for j in range(1, CONV_WIDTH):
            y = torch.addcmul(y, past[:, j : j + x.shape[1]], kernel[:, j])
        return y

    def remember(self, q, k, v, theta, eta, alpha):
        M_0 = self.weight(MIXER + "M_0.0")
        gates = (theta, eta, alpha)
        prefix = self.chunks(M_0, *(x[:1, :, :N_PERSISTENT] for x in (q, k, v, *gates)))
        moved = S = torch.zeros_like(M_0)  # moved: M - M_0; [row, in, out]
        _, moved, S = self.pass_chunk(moved, S, *(part[0] for part in prefix))
        batch = len(q)
        moved, S = (x.expand(batch, -1, -1, -1).reshape(-1, D_HEAD, D_HEAD) for x in (moved, S))
        chunks = self.chunks(M_0, *(x[:, :, N_PERSISTENT:] for x in (q, k, v, *gates)))
        out = []
        for parts in zip(*(part.unbind(0) for part in chunks)):
            read, moved, S = self.pass_chunk(moved, S, *parts)
            out.append(read)
        return torch.stack(out, dim=1).view(batch, N_HEADS, -1, D_HEAD)

    def chunks(self, M_0, q, k, v, theta, eta, alpha):
        """What a chunk takes from its own tokens, the axes [chunk, row] first, row = batch * N_HEADS + head."""
        T = min(CHUNK, q.shape[2])

        def by_chunk(x):
            return x.reshape(-1, x.shape[2] // T, T, *x.shape[3:]).transpose(0, 1)  # [chunk, row, T, ...]

        def initially(x):  # x M_0 in one product a head
            y = torch.bmm(x.transpose(0, 1).reshape(N_HEADS, -1, D_HEAD), M_0)
            return y.view(N_HEADS, *x.shape[::2], D_HEAD).transpose(0, 1)

        q_initial, k_initial = by_chunk(initially(q)), by_chunk(initially(k) - v)
        q, k, theta, eta, alpha = map(by_chunk, (q, k, 2 * theta, eta, alpha))  # the gradient is 2 k' (k M - v)
        beta, decay = self.products(torch.log1p(-alpha))
        m, momentum = self.products(torch.log(eta))
        momentum = momentum * theta[..., None, :]  # [..., k, j]: of token j's gradient in S_k
        written = decay @ momentum  # [..., i, j]: of token j's gradient in M_i
        f = (decay * m[..., None, :]).sum(-1)  # of S before the chunk in M_i
        seen = (q @ k.transpose(-1, -2)) * written
        reads = torch.cat((q * beta[..., None], q * f[..., None]), dim=-1)  # of (moved, S)
        writes = torch.cat((k * written[..., -1, :, None], k * momentum[..., -1, :, None]), dim=-1).transpose(-1, -2)
        kept = (x[..., -1, None, None] for x in (beta, f, m))
        return (k, k_initial, reads, q_initial, seen, writes, *kept)

    def products(self, logs):
        """Of the factors up to i, and of the factors j < l <= i, 0 where j > i: [..., i] and [..., i, j]."""
        T = logs.shape[-1]
        sums = logs.cumsum(-1)
        between = (sums[..., :, None] - sums[..., None, :]).masked_fill(~self.not_later[:T, :T], float("-inf"))
        return sums.exp(), between.exp()

    @staticmethod
    def pass_chunk(moved, S, k, k_initial, reads, q_initial, seen, writes, kept_M, carried_M, carried_S):
        error = torch.baddbmm(k_initial, k, moved)  # [row, T, out]
        out = torch.baddbmm(q_initial, reads, torch.cat((moved, S), dim=1))
        out = torch.baddbmm(out, seen, error, alpha=-1)
        to_M, to_S = torch.bmm(writes, error).split(D_HEAD, dim=1)
        return out, torch.addcmul(kept_M * moved - to_M, carried_M, S), carried_S * S - to_S


FORMS = {
    "inner gradients by autograd": lambda first_step: DifferentiatedMemory(),
    "chunked closed form": lambda first_step: ChunkedMemory(),
}
