"""The process in which one system's peers run, started by scripts/bench_peers.py with its own threads and environment.

Reads a JSON request a line and answers each with a JSON line, so that the caller can take turns between it and saltus:
{"do": "describe"}, {"do": "check", "peer": ...}, {"do": "round", "peer": ..., "steps": ...}."""
import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np

WARM_UP_STEPS = 20


def furthest(ours, theirs):
    """Largest difference, and the largest magnitude of theirs."""
    return np.max(np.abs(ours.reshape(theirs.shape) - theirs)), np.max(np.abs(theirs))


def check(peer, first_step):
    """How far the peer's first step is from saltus': loss and gradients relatively, the weights after it in spacings
    of float32 numbers of their size (a decay of 1e-6 moves the largest by 8 to 17); the worst over all weights. Both
    update from saltus' gradients: Adam's first step, g / (|g| + 1e-8), makes more of a rounding difference in a small
    gradient than a wrong rule would make in a large one."""
    peer.reset()
    loss = peer.step()
    gradients, weights = 0, 0
    for name, gradient in peer.gradients().items():
        difference, size = furthest(gradient, first_step[f"gradient.{name}"])
        gradients = max(gradients, float(difference / size))
    peer.update_with({name: first_step[f"gradient.{name}"] for name in peer.gradients()})
    for name, weight in peer.weights().items():
        difference, size = furthest(weight, first_step[f"after.{name}"])
        weights = max(weights, float(difference / np.spacing(size)))
    return {"loss": abs(loss / float(first_step["loss"]) - 1), "gradients": gradients, "weights": weights}


def time_round(peer, steps):
    """Milliseconds a step, from the same weights every time."""
    peer.reset()
    for _ in range(WARM_UP_STEPS):
        peer.next_batch()
        peer.step()
    start = time.perf_counter()
    for _ in range(steps):
        peer.next_batch()
        peer.step()
    return 1e3 * (time.perf_counter() - start) / steps


def main(system, folder, threads):
    module = importlib.import_module(f"peers.{system}")
    first_step = {file.stem: np.load(file) for file in Path(folder).glob("*.npy")}
    peers = {key: make(first_step, int(threads)) for key, make in module.PEERS.items()}
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "describe":
            answer = {key: {"library": peer.library(), "caveat": peer.caveat()} for key, peer in peers.items()}
        elif request["do"] == "check":
            answer = check(peers[request["peer"]], first_step)
        else:
            answer = time_round(peers[request["peer"]], request["steps"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
