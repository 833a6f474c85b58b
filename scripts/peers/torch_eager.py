"""What every PyTorch eager peer shares: SGD with the paper's decay, the training step, and what PyTorch runs on."""
import ctypes

import torch


def blas():
    """What PyTorch takes its matrix products from: OpenBLAS by its name for itself, else the file that is loaded."""
    torch.ones(64, 64) @ torch.ones(64, 64)  # loads it
    if torch.backends.mkl.is_available():
        return "MKL"
    with open("/proc/self/maps") as maps:
        file = next((line.split()[-1] for line in maps if "blas" in line.split("/")[-1]), "an unknown BLAS")
    if "openblas" not in file:
        return file
    library = ctypes.CDLL(file)
    library.openblas_get_config.restype = library.openblas_get_corename.restype = ctypes.c_char_p
    version = " ".join(library.openblas_get_config().decode().split()[:2])
    return f"{version} with {library.openblas_get_corename().decode()} kernels"


class TorchEager:
    """Trains `model`, a module that gives logits and knows its weights by saltus' names (weight_names, weight)."""

    def __init__(self, model, first_step, threads):
        torch.set_num_threads(threads)
        self.model = model
        self.before = {name: torch.from_numpy(first_step[f"before.{name}"]) for name in model.weight_names()}
        self.tokens = torch.from_numpy(first_step["batch.tokens"])
        self.label = torch.from_numpy(first_step["batch.label"]).long()
        # saltus' decay of 1e-6 a step is not multiplied by the learning rate; PyTorch's is.
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.01, weight_decay=1e-6 / 0.01)

    @staticmethod
    def library():
        return f"PyTorch {torch.__version__} eager on {blas()}"

    @staticmethod
    def caveat():
        """What a reader of the times has to know; None if nothing."""
        if "/blas/libblas" not in blas():
            return None
        return (
            "PyTorch runs on Netlib's reference BLAS here, whose large products take some 40 times as long as "
            "OpenBLAS'. For times that say something about PyTorch: apt-get install libopenblas0-openmp"
        )

    def reset(self):
        """Back to the weights before the first step."""
        with torch.no_grad():
            for name, value in self.before.items():
                weight = self.model.weight(name)
                weight.copy_(value.view_as(weight))

    def step(self):
        """Forward, backward and update on examples that are there already. Returns the mean loss before the update."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(self.model(self.tokens), self.label)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def gradients(self):
        return {name: self.model.weight(name).grad.numpy() for name in self.before}

    def weights(self):
        return {name: self.model.weight(name).detach().numpy() for name in self.before}
