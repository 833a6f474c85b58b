"""PyTorch's training step through torch.compile."""

import math
from functools import partial

import torch

from peers.torch_eager import Eager

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
AUTOTUNED = "max-autotune-no-cudagraphs"


class CompiledParts(Eager):
    """The loss is compiled, its gradient with it; so is the optimizer's step, apart."""

    def __init__(self, *arguments, mode=None):
        super().__init__(*arguments)
        self.loss = torch.compile(self.model.loss, mode=mode)
        self.update = torch.compile(self.optimizer.step, mode=mode)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.batch)
        loss.backward()
        self.update()
        return loss.item()


class OneGraph(Eager):
    """Loss, gradient and update as one graph. The update is written out: torch.optim's breaks the graph."""

    def __init__(self, module, form, first_step, rule, threads, mode=None):
        self.moments = []
        super().__init__(module, form, first_step, rule, threads)
        torch._dynamo.config.trace_autograd_ops = True
        self.rule, self.parameters = rule, list(self.model.parameters())
        self.n_updates = torch.zeros(())
        if rule.kind == "adam":
            self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self.parameters]
        self.compiled_step = torch.compile(self.whole_step, mode=mode, fullgraph=True)
        self.compiled_gradients = torch.compile(self.loss_and_gradients, mode=mode, fullgraph=True)

    def reset(self):
        super().reset()
        if self.moments:
            self.n_updates.zero_()
        for first, second in self.moments:
            first.zero_()
            second.zero_()

    def loss_and_gradients(self, batch):
        loss = self.model.loss(batch)
        gradients = torch.autograd.grad(loss, self.parameters)
        return loss.detach(), gradients

    def whole_step(self, batch):
        loss, gradients = self.loss_and_gradients(batch)
        self.apply(gradients)
        return loss

    @torch.no_grad()
    def apply(self, gradients):
        rate = self.rule.learning_rate
        if self.rule.kind == "sgd":
            for p, g in zip(self.parameters, gradients):
                p.sub_(rate * g + self.rule.decay * p)
            return
        self.n_updates.add_(1)
        unbias_1, unbias_2 = (-torch.expm1(math.log(beta) * self.n_updates) for beta in (BETA_1, BETA_2))
        for p, g, (first, second) in zip(self.parameters, gradients, self.moments):
            first.mul_(BETA_1).add_((1 - BETA_1) * g)
            second.mul_(BETA_2).add_((1 - BETA_2) * g * g)
            p.sub_(rate * (first / unbias_1) / ((second / unbias_2).sqrt() + EPSILON))

    def step(self):
        return self.compiled_step(self.batch).item()

    def update(self):
        self.apply([p.grad for p in self.parameters])

    def gradients(self):
        """The step keeps none: its first part once more."""
        self.reset()
        for p, g in zip(self.parameters, self.compiled_gradients(self.batch)[1]):
            p.grad = g.detach()
        return super().gradients()


WAYS = {
    "loss and optimizer compiled": CompiledParts,
    "one graph": OneGraph,
    "loss and optimizer autotuned": partial(CompiledParts, mode=AUTOTUNED),
    "one graph, autotuned": partial(OneGraph, mode=AUTOTUNED),
}
