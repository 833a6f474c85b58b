"""The model of configs/lama/speed.yaml (Mehta et al. 2019, arXiv 1912.00835, figure 1) in PyTorch: a packed
bidirectional GRU, f_t = l2norm(tanh(c P * u_t Q)) with c the mean state of a text, softmax over its words, and a
classifier."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

D_EMBED, D_HIDDEN, N_HEADS, CLASSIFIER = 64, 48, 8, 64
D_MODEL = 2 * D_HIDDEN

GRU = {  # saltus' names of a direction's weights: torch's
    "W_input": "weight_ih_l0",
    "W_hidden": "weight_hh_l0",
    "b_input": "bias_ih_l0",
    "b_hidden": "bias_hh_l0",
}
DIRECTIONS = {"forward": "", "backward": "_reverse"}
OTHERS = {
    "word_mlp.W": (D_MODEL, D_MODEL),
    "word_mlp.b": (D_MODEL,),
    "blocks.0.attn.P": (D_MODEL, N_HEADS),
    "blocks.0.attn.Q": (D_MODEL, N_HEADS),
    "classifier.W_1": (N_HEADS * D_MODEL, CLASSIFIER),
    "classifier.b_1": (CLASSIFIER,),
    "classifier.b_2": None,  # as many as classes
    "classifier.W_2": None,
}


class Transposed:
    """A matrix that torch keeps as [out, in], seen as saltus' [in, out]."""

    def __init__(self, parameter):
        self.parameter = parameter

    def copy_(self, value):
        self.parameter.copy_(value.t())

    @property
    def grad(self):
        return self.parameter.grad.t()

    @grad.setter
    def grad(self, value):
        self.parameter.grad = value.t().contiguous()

    @property
    def shape(self):
        return self.parameter.t().shape

    def detach(self):
        return self.parameter.detach().t()


class Network(nn.Module):
    def __init__(self, n_words, n_classes):
        super().__init__()
        shapes = {**OTHERS, "classifier.W_2": (CLASSIFIER, n_classes), "classifier.b_2": (n_classes,)}
        self.embedding = nn.Parameter(torch.empty(n_words, D_EMBED))
        self.gru = nn.GRU(D_EMBED, D_HIDDEN, batch_first=True, bidirectional=True)
        self.others = nn.ParameterDict(
            {name.replace(".", "/"): nn.Parameter(torch.empty(shape)) for name, shape in shapes.items()}
        )

    @staticmethod
    def weight_names():
        gru = [f"encoder.{direction}.{part}" for direction in DIRECTIONS for part in GRU]
        return ["embed.W_E", *gru, *OTHERS]

    def weight(self, name):
        if name == "embed.W_E":
            return self.embedding
        if not name.startswith("encoder."):
            return self.others[name.replace(".", "/")]
        _, direction, part = name.split(".")
        parameter = getattr(self.gru, GRU[part] + DIRECTIONS[direction])
        return Transposed(parameter) if part.startswith("W") else parameter

    def loss(self, batch):
        return F.cross_entropy(self(batch["tokens"], batch["mask"]), batch["label"].long())

    def states(self, tokens, mask):
        """[batch, word, d_model]; padding never enters the GRU."""
        e = F.embedding(tokens, self.embedding)
        packed = pack_padded_sequence(e, mask.sum(1).long(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=tokens.shape[1])[0]

    def forward(self, tokens, mask):
        W = self.weight
        H = self.states(tokens, mask)
        context = (H * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        u = torch.tanh(H @ W("word_mlp.W") + W("word_mlp.b"))
        z = (u @ W("blocks.0.attn.Q")) * (context @ W("blocks.0.attn.P"))[:, None]
        f = F.normalize(torch.tanh(z), dim=-1, eps=1e-8)  # [batch, word, head]
        A = torch.softmax(f.transpose(1, 2).masked_fill(mask[:, None] == 0, float("-inf")), dim=-1)
        flat = (A @ H).flatten(1)
        hidden = torch.relu(flat @ W("classifier.W_1") + W("classifier.b_1"))
        return hidden @ W("classifier.W_2") + W("classifier.b_2")


def packed(first_step):
    n_words, n_classes = len(first_step["before.embed.W_E"]), len(first_step["before.classifier.b_2"])
    return Network(n_words, n_classes)


FORMS = {"packed nn.GRU": packed}
