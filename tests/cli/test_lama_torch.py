"""LAMA's first training step, its answers and its attention against PyTorch's own GRU, matrix products and gradients."""
import glob
import os
import random
import unittest

import h5py
import numpy as np

from command import CommandTest

try:
    import torch
except ImportError:
    torch = None

VERDICTS = {"praise": ["good", "fine", "lovely"], "complaint": ["bad", "stale", "poor"]}
CONFIG = """\
system: lama
batch_size: 16
shards: 2
task: {corpus: reviews.tsv, max_length: 24, bucket: 24, min_count: 1}
model: {d_embed: 10, d_hidden: 7, n_heads: 3, classifier_width: 9, dropout: 0, embedding_std: 1}  # words that differ, so that the scores' gradient is not all cancellation
optimizer: {kind: adam, learning_rate: 0.002}
"""


def reviews():
    """Texts of 2 to 30 words, so that some are padded and some are cut."""
    draw = random.Random(1)
    lines = ["label\ttext"]
    for i in range(120):
        label = ["praise", "complaint"][i % 2]
        words = [draw.choice(["the", "soup", "was", "we", "came", "again"]) for _ in range(draw.randrange(1, 30))]
        words.insert(draw.randrange(len(words) + 1), draw.choice(VERDICTS[label]))
        lines.append(f"{label}\t{' '.join(words)} {i}")
    return "\n".join(lines) + "\n"


@unittest.skipIf(torch is None, "needs PyTorch (Debian's python3-torch), whose GRU and gradients it compares with")
class LamaTorch(CommandTest):
    def first_step(self, *overrides):
        self.write("reviews.tsv", reviews())
        self.saltus("bench", self.write("lama.yaml", CONFIG), "--steps", "1", "--rounds", "1", "--first-step", "step", *overrides)
        arrays = {os.path.basename(f)[: -len(".npy")]: np.load(f) for f in glob.glob(self.path("step", "*.npy"))}
        names = [name[len("before.") :] for name in arrays if name.startswith("before.")]
        weights = {name: torch.tensor(arrays[f"before.{name}"], requires_grad=True) for name in names}
        batch = {name[len("batch.") :]: torch.tensor(array) for name, array in arrays.items() if name.startswith("batch.")}
        return arrays, weights, batch

    def encoded(self, w, batch):
        """[batch, length, d_model] of nn.GRU on packed sequences, which read backwards from their own last word."""
        lengths = batch["mask"].sum(1).long()
        e = w["embed.W_E"][batch["tokens"].long()]
        gru = torch.nn.GRU(e.shape[2], w["encoder.forward.W_hidden"].shape[0], batch_first=True, bidirectional=True)
        names = {f"{kind}_{own}_l0{suffix}": f"encoder.{way}.{letter}_{ours}"
                 for kind, letter in (("weight", "W"), ("bias", "b"))
                 for own, ours in (("ih", "input"), ("hh", "hidden"))
                 for suffix, way in (("", "forward"), ("_reverse", "backward"))}
        for theirs, ours in names.items():
            with torch.no_grad():
                getattr(gru, theirs).copy_(w[ours].t() if w[ours].dim() == 2 else w[ours])
        self.gru, self.gru_names = gru, names
        packed = torch.nn.utils.rnn.pack_padded_sequence(e, lengths, batch_first=True, enforce_sorted=False)
        H, _ = torch.nn.utils.rnn.pad_packed_sequence(gru(packed)[0], batch_first=True, total_length=e.shape[1])
        return H

    def answers(self, w, batch, learned_context):
        """logits [batch, class], and the weights of the words A [batch, length, head]."""
        H = self.encoded(w, batch)
        mask = batch["mask"]
        u = torch.tanh(H @ w["word_mlp.W"] + w["word_mlp.b"])
        attn = "blocks.0.attn."
        c = w[attn + "context"][None] if learned_context else (H * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        z = (c @ w[attn + "P"])[:, None] * (u @ w[attn + "Q"])
        f = torch.nn.functional.normalize(torch.tanh(z), dim=2)
        A = torch.softmax(f.masked_fill(mask[..., None] == 0, -1e9), dim=1)
        flat = (A.transpose(1, 2) @ H).flatten(1)
        hidden = torch.relu(flat @ w["classifier.W_1"] + w["classifier.b_1"])
        return hidden @ w["classifier.W_2"] + w["classifier.b_2"], A

    def snapshot(self, *overrides):
        """Weights, test texts and what the model makes of them, from a run's last snapshot."""
        self.write("reviews.tsv", reviews())
        self.saltus("train", self.write("lama.yaml", CONFIG), "--out", "run", "--quiet", "--overwrite", "steps=20", "checkpoints.probes=20", *overrides)
        with h5py.File(self.path("run", "run.h5")) as file:
            weights = file["weights"]
            # The attention's parameters are stacked over layers, of which there is one.
            w = {name: torch.tensor(weights[name][-1]) for name in weights if "." in name}
            w |= {f"blocks.0.attn.{name}": torch.tensor(weights[name][-1, 0]) for name in ("P", "Q", "context") if name in weights}
            attention = file["attention"]
            batch = {name: torch.tensor(attention[name][:]) for name in ("tokens", "mask", "label")}
            return w, batch, attention["logits"][-1], attention["pattern"][-1]

    def test_loss_and_gradients_are_those_of_pytorch(self):
        for pooling in ("lama_ctx", "lama"):
            arrays, w, batch = self.first_step(f"model.pooling={pooling}")
            lengths = batch["mask"].sum(1)
            self.assertTrue(lengths.min() < 24 and lengths.max() == 24, lengths)
            logits, _ = self.answers(w, batch, pooling == "lama")
            loss = torch.nn.functional.cross_entropy(logits, batch["label"].long())
            loss.backward()
            np.testing.assert_allclose(loss.item(), arrays["loss"], rtol=1e-5)
            gradients = {name: value.grad for name, value in w.items() if not name.startswith("encoder.")}
            for theirs, ours in self.gru_names.items():
                gradient = getattr(self.gru, theirs).grad
                gradients[ours] = gradient.t() if gradient.dim() == 2 else gradient
            self.assertEqual(gradients.keys(), w.keys())
            for name, gradient in gradients.items():
                size = float(gradient.abs().max())
                self.assertGreater(size, 0, name)
                np.testing.assert_allclose(arrays[f"gradient.{name}"], gradient.numpy(), rtol=0, atol=1e-5 * size, err_msg=name)

    def test_logits_and_attention_are_those_of_pytorch(self):
        for pooling in ("lama_ctx", "lama"):
            w, batch, logits, pattern = self.snapshot(f"model.pooling={pooling}")
            self.assertTrue(batch["mask"].sum(1).min() < 24, "some are padded")
            with torch.no_grad():
                theirs, A = self.answers(w, batch, pooling == "lama")
            np.testing.assert_allclose(logits, theirs.numpy(), rtol=0, atol=1e-5 * float(theirs.abs().max()))
            self.assertEqual(pattern.shape, (20, 1, 3, 1, 24))  # [probe, layer, head, query, key]
            np.testing.assert_allclose(pattern[:, 0, :, 0], A.transpose(1, 2).numpy(), rtol=0, atol=1e-5)
            self.assertGreater(float(np.ptp(pattern)), 1e-3, "words get different weights")


if __name__ == "__main__":
    unittest.main()
