"""What is compared, without any library: a system's config, the peers that stand against it, its optimizer."""

from dataclasses import dataclass

# What a peer runs on: how it is called in tables, and the module that makes its training steps.
LIBRARIES = {
    "eager": ("PyTorch eager", "peers.torch_eager"),
    "compile": ("torch.compile", "peers.torch_compiled"),
    "jax": ("JAX jit", "peers.jax_jit"),
}


@dataclass(frozen=True)
class Optimizer:
    """saltus' own: its decay is not multiplied by the learning rate."""

    kind: str  # "adam" or "sgd"
    learning_rate: float
    decay: float = 0.0


@dataclass(frozen=True)
class System:
    """The model stands in peers/<name>.py for PyTorch, eager and compiled, and in peers/<name>_jax.py for JAX; each has
    its forms, ways to write the same function, under the names given here."""

    config: str
    optimizer: Optimizer
    torch_forms: tuple
    jax_forms: tuple

    def peers(self):
        """(library, form) of each."""
        return [(library, form) for form in self.torch_forms for library in ("eager", "compile")] + [
            ("jax", form) for form in self.jax_forms
        ]


REARRANGED = ("as written", "rearranged like saltus")
SYSTEMS = {
    "icl_classification": System(
        "configs/icl_classification/abrupt.yaml", Optimizer("sgd", 0.01, 1e-6), REARRANGED, REARRANGED
    ),
    "icl_regression": System("configs/icl_regression/two_heads.yaml", Optimizer("adam", 0.001), REARRANGED, REARRANGED),
    "titans_recall": System(
        "configs/titans/recall_memory.yaml",
        Optimizer("adam", 0.003),
        ("inner gradients by autograd", "chunked closed form"),
        ("inner gradients by autograd", "chunked closed form"),
    ),
    "lama": System("configs/lama/speed.yaml", Optimizer("adam", 0.001), ("packed nn.GRU",), ("scanned GRU",)),
}
