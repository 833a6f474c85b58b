"""The process in which the peers of one system run, started by scripts/bench_peers.py with its own threads and environment.

Reads one JSON request a line and answers with one JSON line, so that the caller can take turns between it and saltus:
{"do": "describe"}, {"do": "check", "peer": ...}, {"do": "round", "peer": ..., "steps": ...}."""
import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np

WARM_UP_STEPS = 20


def relative(ours, theirs):
    """Largest difference, in units of the array's largest magnitude."""
    return float(np.max(np.abs(ours.reshape(theirs.shape) - theirs)) / np.max(np.abs(theirs)))


def check(peer, first_step):
    """How far the peer's first step is from saltus': loss and gradients relatively, the parameters after it in spacings of float32
    numbers of their size (an SGD step's decay of 1e-6 moves the largest by 8 to 17); each the worst over all parameters."""
    peer.reset()
    loss = peer.step()
    gradients = {name: relative(gradient, first_step[f"gradient.{name}"]) for name, gradient in peer.gradients().items()}
    after = []
    for name, value in peer.parameters().items():
        theirs = first_step[f"after.{name}"]
        after.append(np.max(np.abs(value.reshape(theirs.shape) - theirs)) / np.spacing(np.max(np.abs(theirs))))
    worst = max(gradients, key=gradients.get)
    return {"loss": abs(loss / float(first_step["loss"]) - 1), "gradients": gradients[worst], "worst": worst, "parameters": float(max(after))}


def time_round(peer, steps):
    """Milliseconds a step, from the same weights every time."""
    peer.reset()
    for _ in range(WARM_UP_STEPS):
        peer.step()
    start = time.perf_counter()
    for _ in range(steps):
        peer.step()
    return 1e3 * (time.perf_counter() - start) / steps


def main(system, folder, threads):
    module = importlib.import_module(f"peers.{system}")
    first_step = {file.stem: np.load(file) for file in Path(folder).glob("*.npy")}
    peers = {name: make(first_step, int(threads)) for name, make in module.PEERS.items()}
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "describe":
            answer = {name: {"library": peer.library(), "caveat": peer.caveat()} for name, peer in peers.items()}
        elif request["do"] == "check":
            answer = check(peers[request["peer"]], first_step)
        else:
            answer = time_round(peers[request["peer"]], request["steps"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
