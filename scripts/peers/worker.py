"""The process in which one peer runs, started by scripts/bench_peers.py with its own threads and environment.

Reads a JSON request a line and answers each with a JSON line, so that the caller can take turns between it and saltus:
{"do": "choose", "rounds": ..., "steps": ...}, {"do": "round", "steps": ...}."""

import importlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from peers.systems import LIBRARIES, SYSTEMS

PATIENCE = 600  # seconds after which no further way is begun: an unrolled graph may take a compiler an hour
WARM_UP_STEPS = 20  # at most, and as many as are timed

# torch.compile computes Adam's 1 - 0.999^t in float32, which is off by 5e-5 at t = 1, and its root by half of that.
ROUNDED_RATE = 1e-5


def furthest(ours, theirs):
    """Largest difference, and the largest magnitude of theirs."""
    return np.max(np.abs(ours.reshape(theirs.shape) - theirs)), np.max(np.abs(theirs))


def check(peer, first_step):
    """How far the peer's first step is from saltus': loss and gradients relatively, the weights after it in spacings
    of float32 numbers of their size (a decay of 1e-6 moves the largest by 8 to 17), or of ROUNDED_RATE times the
    movement where that is more; the worst over all weights. Both update from saltus' gradients: Adam's first step, g / (|g| + 1e-8), makes more of a rounding difference in a small
    gradient than a wrong rule would make in a large one. The step as it will be timed is held to saltus' as a whole, by
    the length of the difference between both movements of all weights beside that of saltus' own."""
    peer.reset()
    loss = peer.step()
    missed, moved = 0.0, 0.0
    for name, weight in peer.weights().items():
        after = first_step[f"after.{name}"].astype(float)
        missed += np.sum((weight.reshape(after.shape) - after) ** 2)
        moved += np.sum((after - first_step[f"before.{name}"]) ** 2)
    gradients, weights = 0, 0
    for name, gradient in peer.gradients().items():
        difference, size = furthest(gradient, first_step[f"gradient.{name}"])
        gradients = max(gradients, float(difference / size))
    peer.update_with({name: first_step[f"gradient.{name}"] for name in peer.weights()})
    for name, weight in peer.weights().items():
        difference, size = furthest(weight, first_step[f"after.{name}"])
        movement = np.max(np.abs(first_step[f"after.{name}"] - first_step[f"before.{name}"]))
        weights = max(weights, float(difference / max(np.spacing(size), ROUNDED_RATE * movement)))
    return {
        "loss": abs(loss / float(first_step["loss"]) - 1),
        "gradients": gradients,
        "weights": weights,
        "movement": float(np.sqrt(missed / moved)),
    }


def time_round(peer, steps):
    """Milliseconds a step, from the same weights every time, and how many cores the process kept busy meanwhile."""
    peer.reset()
    peer.run(min(WARM_UP_STEPS, steps))
    start, start_cpu = time.perf_counter(), time.process_time()
    peer.run(steps)
    wall = time.perf_counter() - start
    return {"ms": 1e3 * wall / steps, "cores": (time.process_time() - start_cpu) / wall}


def choose(library, module, form, first_step, rule, threads, rounds, steps):
    """(the fastest way to take the step, what to say of it), each way checked and timed; without any, no peer. Of one
    thread the processor time counts, which other programs on the machine disturb less."""
    best, said, failed, shortest = None, {}, {}, float("inf")
    start = time.perf_counter()
    for way, make in library.WAYS.items():
        if best and time.perf_counter() - start > PATIENCE:
            failed[way] = f"not tried, {time.perf_counter() - start:.0f} seconds after the first"
            continue
        try:
            peer = make(module, form, first_step, rule, threads)
            errors = check(peer, first_step)
            trials = [time_round(peer, steps) for _ in range(rounds)]
        except Exception as error:  # whatever a library throws where it cannot do this
            failed[way] = f"{type(error).__name__}: {(str(error).strip() or '?').splitlines()[0][:200]}"
            continue
        taken = min(one["ms"] * (one["cores"] if threads == 1 else 1) for one in trials)
        if taken < shortest:
            best, shortest = peer, taken
            said = {"way": way, "errors": errors, "ms": min(one["ms"] for one in trials)}
    if best:
        said.update(library=best.library(), caveat=best.caveat())
    return best, {**said, "failed": failed}


def main(system, library, form, folder, threads):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a compiler prints is no answer
    first_step = {file.stem: np.load(file) for file in Path(folder).glob("*.npy")}
    peer = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "choose":
            try:
                code = importlib.import_module(LIBRARIES[library][1])
                module = importlib.import_module(f"peers.{system}{'_jax' if library == 'jax' else ''}")
            except ImportError as error:
                answer = {"failed": {"import": str(error)}}
            else:
                optimizer = SYSTEMS[system].optimizer
                peer, answer = choose(
                    code, module, form, first_step, optimizer, int(threads), request["rounds"], request["steps"]
                )
        else:
            answer = time_round(peer, request["steps"])
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
