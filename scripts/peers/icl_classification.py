"""The network of configs/icl_classification/abrupt.yaml (Reddy 2024, arXiv 2312.03002, eqs. 1-3) in PyTorch.

v_i = u_i + sum_{j<=i} p1_ij u_j V1,  w_n = v_n + sum_j p2_nj v_j V2,  p_ij = softmax over j <= i of (x_i Q) . (x_j K)
logits = linear read-out of three ReLU layers, each with one scalar bias, of the last token's w_n"""

import torch
from torch import nn

N_TOKENS, D_MODEL, N_LABELS = 17, 128, 32


class Network(nn.Module):
    """As one writes it: queries, keys and values of every token in both layers and a causal mask. Only the classifier
    looks at the last token alone."""

    def __init__(self):
        super().__init__()

        def squares(n):
            return nn.ParameterList([nn.Parameter(torch.empty(D_MODEL, D_MODEL)) for _ in range(n)])

        self.W_Q, self.W_K, self.W_V = squares(2), squares(2), squares(2)
        self.W = squares(3)
        self.b = nn.ParameterList([nn.Parameter(torch.empty(1)) for _ in range(3)])
        self.W_U = nn.Parameter(torch.empty(D_MODEL, N_LABELS))
        self.register_buffer("future", torch.ones(N_TOKENS, N_TOKENS, dtype=torch.bool).triu(1))  # [query, key]

    def forward(self, tokens):
        x = tokens  # [batch, position, d_model]
        for W_Q, W_K, W_V in zip(self.W_Q, self.W_K, self.W_V):
            scores = (x @ W_Q) @ (x @ W_K).transpose(1, 2)  # [batch, query, key]
            pattern = torch.softmax(scores.masked_fill(self.future, float("-inf")), dim=-1)
            x = x + pattern @ (x @ W_V)
        return self.classify(x[:, -1])

    def classify(self, x):
        for W, b in zip(self.W, self.b):
            x = torch.relu(x @ W + b)
        return x @ self.W_U

    def loss(self, batch):
        return nn.functional.cross_entropy(self(batch["tokens"]), batch["label"].long())

    @staticmethod
    def weight_names():
        attention = [f"blocks.{layer}.attn.{name}" for layer in range(2) for name in ("W_Q", "W_K", "W_V")]
        return attention + [f"classifier.{i}.{name}" for i in range(3) for name in ("W", "b")] + ["unembed.W_U"]

    def weight(self, name):
        """What saltus calls `name`; its attention weights have an axis of one head in front."""
        if name == "unembed.W_U":
            return self.W_U
        parts = name.split(".")
        return getattr(self, parts[-1])[int(parts[1])]


class RearrangedNetwork(Network):
    """The same function with the exact rearrangements that saltus makes: Q K' multiplied out in layer 1; layer 2 for
    the last token alone, without projecting any token to a key; patterns applied before V. Mask and residuals are added
    by the products themselves."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.zeros(N_TOKENS, N_TOKENS).masked_fill(self.future, float("-inf")))

    def forward(self, tokens):
        u = tokens.view(-1, D_MODEL)  # [batch * position, d_model]
        queries = (u @ (self.W_Q[0] @ self.W_K[0].t())).view_as(tokens)  # [batch, query, d_model]
        scores = torch.baddbmm(self.mask, queries, tokens.transpose(1, 2))  # [batch, query, key]
        mixed = torch.bmm(torch.softmax(scores, dim=-1), tokens).view(-1, D_MODEL)  # [batch * query, d_model]
        v = torch.addmm(u, mixed, self.W_V[0]).view_as(tokens)
        target = v[:, -1]  # [batch, d_model]
        query = (target @ self.W_Q[1]) @ self.W_K[1].t()
        pattern = torch.softmax(torch.bmm(v, query.unsqueeze(2)), dim=1)  # [batch, key, 1]
        mixed = torch.bmm(pattern.transpose(1, 2), v).squeeze(1)  # [batch, d_model]
        return self.classify(torch.addmm(target, mixed, self.W_V[1]))


FORMS = {"as written": lambda first_step: Network(), "rearranged like saltus": lambda first_step: RearrangedNetwork()}
