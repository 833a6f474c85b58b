"""JAX: the training step as one jitted function, its weights and moments donated to it."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


def adam(rate):
    def init(weights):
        zeros = jax.tree.map(jnp.zeros_like, weights)
        return zeros, jax.tree.map(jnp.zeros_like, weights), jnp.zeros(())

    def update(weights, state, gradients):
        first, second, n = state
        n = n + 1
        unbias_1, unbias_2 = (-jnp.expm1(math.log(beta) * n) for beta in (BETA_1, BETA_2))
        first = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, first, gradients)
        second = jax.tree.map(lambda s, g: BETA_2 * s + (1 - BETA_2) * g * g, second, gradients)

        def moved(w, m, s):
            return w - rate * (m / unbias_1) / (jnp.sqrt(s / unbias_2) + EPSILON)

        return jax.tree.map(moved, weights, first, second), (first, second, n)

    return init, update


def sgd(rate, decay):
    def update(weights, state, gradients):
        return jax.tree.map(lambda w, g: w - (rate * g + decay * w), weights, gradients), state

    return lambda weights: (), update


class Jit:
    """FORMS of the system's module has the mean loss as a function of the weights, by saltus' names, and of the batch,
    the task's arrays by name. Where the module has `sample`, a function of a key, every timed step draws a batch."""

    def __init__(self, module, form, first_step, rule, threads):
        def arrays(prefix):
            return {name.removeprefix(prefix): a for name, a in first_step.items() if name.startswith(prefix)}

        self.before, self.batch = arrays("before."), jax.tree.map(jnp.asarray, arrays("batch."))
        self.loss, sample = module.FORMS[form], getattr(module, "sample", None)
        self.init, self.update = (
            adam(rule.learning_rate) if rule.kind == "adam" else sgd(rule.learning_rate, rule.decay)
        )
        self.jitted = jax.jit(self.whole_step, donate_argnums=(0, 1))

        def next_step(weights, state, source):
            """`source` is the batch, or a key to draw one with and the next key."""
            if not sample:
                return *self.whole_step(weights, state, source), source
            key, source = jax.random.split(source)
            return *self.whole_step(weights, state, sample(key)), source

        self.source = jax.random.key(0) if sample else self.batch
        self.next_step = next_step
        self.jitted_next = jax.jit(next_step, donate_argnums=(0, 1)) if sample else None
        self.reset()

    @staticmethod
    def library():
        return f"JAX {jax.__version__}"

    @staticmethod
    def caveat():
        return None

    def reset(self):
        self.now = jax.tree.map(jnp.array, self.before)
        self.state = self.init(self.now)

    def whole_step(self, weights, state, batch):
        loss, gradients = jax.value_and_grad(self.loss)(weights, batch)
        return *self.update(weights, state, gradients), loss

    def step(self):
        self.now, self.state, loss = self.jitted(self.now, self.state, self.batch)
        return float(loss)

    def run(self, steps):
        for _ in range(steps):
            if self.jitted_next:
                self.now, self.state, _, self.source = self.jitted_next(self.now, self.state, self.source)
            else:
                self.now, self.state, _ = self.jitted(self.now, self.state, self.source)
        jax.block_until_ready(self.now)

    def gradients(self):
        self.reset()
        return jax.tree.map(np.asarray, jax.jit(jax.grad(self.loss))(self.now, self.batch))

    def update_with(self, gradients):
        self.reset()
        given = {name: jnp.asarray(gradients[name]).reshape(w.shape) for name, w in self.now.items()}
        self.now, self.state = jax.jit(self.update)(self.now, self.state, given)

    def weights(self):
        return jax.tree.map(np.array, self.now)


class ManyStepsACall(Jit):
    """The loop over the steps is JAX's as well."""

    def __init__(self, *arguments):
        super().__init__(*arguments)

        @partial(jax.jit, donate_argnums=(1, 2))
        def loop(n, weights, state, source):
            def body(_, carry):
                weights, state, source, _ = carry
                weights, state, loss, source = self.next_step(weights, state, source)
                return weights, state, source, loss

            return jax.lax.fori_loop(0, n, body, (weights, state, source, jnp.zeros(())))

        self.loop = loop

    def run(self, steps):
        self.now, self.state, self.source, _ = self.loop(steps, self.now, self.state, self.source)
        jax.block_until_ready(self.now)


WAYS = {"a step a call": Jit, "a loop of steps a call": ManyStepsACall}
