"""The model of configs/icl_regression/two_heads.yaml (He et al. 2025, arXiv 2503.12734, section 2) in PyTorch,
making new examples every step as saltus does.

yhat = sum_h O_h V_h Z softmax over the context of (K_h Z)' (Q_h z_q) / sqrt(d + 1)"""

import math

import torch
from torch import nn

BATCH, INPUT_DIM, N_CONTEXT, N_HEADS = 256, 5, 40, 2
NOISE_STD = math.sqrt(0.1)
FEATURES = INPUT_DIM + 1


class Attention(nn.Module):
    """As one writes it: keys and values of every context token, all heads in one product."""

    def __init__(self):
        super().__init__()
        self.W_Q, self.W_K, self.W_V = (nn.Parameter(torch.empty(N_HEADS, FEATURES, FEATURES)) for _ in range(3))
        self.W_O = nn.Parameter(torch.empty(N_HEADS, 1, FEATURES))

    def forward(self, tokens):
        context = tokens[:, None, :, :-1]  # [batch, 1, feature, position]
        query = self.W_Q @ tokens[:, None, :, -1:]  # [batch, head, d_head, 1]
        scores = (self.W_K @ context).transpose(2, 3) @ query / math.sqrt(FEATURES)  # [batch, head, position, 1]
        mixed = (self.W_V @ context) @ torch.softmax(scores, dim=2)  # [batch, head, d_head, 1]
        return (self.W_O @ mixed).sum(dim=1)[:, :, 0]  # [batch, task]

    def loss(self, batch):
        return nn.functional.mse_loss(self(batch["tokens"]), batch["target"])

    @staticmethod
    def weight_names():
        return [f"blocks.0.attn.{name}" for name in ("W_Q", "W_K", "W_V", "W_O")]

    def weight(self, name):
        return getattr(self, name.split(".")[-1])


class MergedAttention(Attention):
    """The same function with the exact rearrangements that saltus makes: K'Q and OV multiplied out once a step, the
    query turned into one vector of scores' weights a head, the pattern applied before OV."""

    def forward(self, tokens):
        context, query = tokens[:, :, :-1], tokens[:, :, -1]  # [batch, feature, position], [batch, feature]
        KQ = self.W_K.transpose(1, 2) @ self.W_Q / math.sqrt(FEATURES)  # [head, feature, feature]
        OV = (self.W_O @ self.W_V).view(-1, 1)  # [head * feature, 1]
        keys = (query @ KQ.reshape(-1, FEATURES).t()).view(-1, N_HEADS, FEATURES)  # [batch, head, feature]
        pattern = torch.softmax(torch.bmm(keys, context), dim=2)  # [batch, head, position]
        mixed = torch.bmm(pattern, context.transpose(1, 2))  # [batch, head, feature]
        return mixed.reshape(-1, N_HEADS * FEATURES) @ OV


def sample():
    """A batch as the authors draw it: new covariates, coefficients and noise for every sequence."""
    x = torch.randn(BATCH, INPUT_DIM, N_CONTEXT + 1)
    beta = torch.randn(BATCH, 1, INPUT_DIM) / math.sqrt(INPUT_DIM)
    y = beta @ x + NOISE_STD * torch.randn(BATCH, 1, N_CONTEXT + 1)  # [batch, 1, position]
    tokens = torch.cat((x, y), dim=1)
    tokens[:, -1, -1] = 0
    return {"tokens": tokens, "target": y[:, :, -1]}


FORMS = {"as written": lambda first_step: Attention(), "rearranged like saltus": lambda first_step: MergedAttention()}
