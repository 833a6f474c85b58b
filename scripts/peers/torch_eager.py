"""PyTorch, eager: the training step that its peers share, and what PyTorch runs on."""

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


def make_optimizer(parameters, rule, **arguments):
    """PyTorch multiplies the decay by the learning rate; saltus does not."""
    if rule.kind == "adam":
        return torch.optim.Adam(parameters, lr=rule.learning_rate, **arguments)
    decay = rule.decay / rule.learning_rate
    return torch.optim.SGD(parameters, lr=rule.learning_rate, weight_decay=decay, **arguments)


class Eager:
    """Trains a model, a module that knows its weights by saltus' names (weight_names, weight) and its mean loss on a
    batch (loss), which holds the task's arrays by name. FORMS of the system's module makes it. Where that module has a
    `sample`, every timed step makes a batch of its own; elsewhere all take saltus' first one."""

    def __init__(self, module, form, first_step, rule, threads, **optimizer_arguments):
        torch.set_num_threads(threads)
        self.model, self.sample = module.FORMS[form](first_step), getattr(module, "sample", None)
        self.before = {name: torch.from_numpy(first_step[f"before.{name}"]) for name in self.model.weight_names()}
        self.first_batch = {
            name.removeprefix("batch."): torch.from_numpy(array)
            for name, array in first_step.items()
            if name.startswith("batch.")
        }
        self.optimizer = make_optimizer(self.model.parameters(), rule, **optimizer_arguments)
        self.reset()

    @staticmethod
    def library():
        return f"PyTorch {torch.__version__} on {blas()}"

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
        """Back to the weights before the first step, to an optimizer that has seen nothing, and to saltus' batch. All
        in place: compiled code holds on to these arrays."""
        with torch.no_grad():
            for name, value in self.before.items():
                weight = self.model.weight(name)
                weight.copy_(value.reshape(weight.shape))
            for state in self.optimizer.state.values():
                for array in filter(torch.is_tensor, state.values()):
                    array.zero_()
        self.batch = self.first_batch

    def run(self, steps):
        for _ in range(steps):
            if self.sample:
                self.batch = self.sample()
            self.step()

    def step(self):
        """Forward, backward and update on self.batch. Returns the mean loss before the update."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.model.loss(self.batch)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def update_with(self, gradients):
        """The first update, from these gradients by name instead of the model's own."""
        self.reset()
        for name in self.before:
            weight = self.model.weight(name)
            weight.grad = torch.from_numpy(gradients[name]).reshape(weight.shape).clone()
        self.update()

    def update(self):
        self.optimizer.step()

    def gradients(self):
        """Of the step just taken, by name."""
        return {name: self.model.weight(name).grad.numpy() for name in self.before}

    def weights(self):
        return {name: self.model.weight(name).detach().numpy().copy() for name in self.before}


def fused(*arguments):
    return Eager(*arguments, fused=True)


# Ways to take the step; the fastest stands for the peer.
WAYS = {"PyTorch's own choice of optimizer loop": Eager, "fused optimizer": fused}
