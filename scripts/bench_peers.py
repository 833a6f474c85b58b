#!/usr/bin/python3
"""Times saltus' training step next to other systems' on the same model, sizes and weights: PyTorch eager, torch.compile
and JAX jit, each as one writes the model and with saltus' exact rearrangements made by hand.

First each peer has to agree with saltus: from saltus' own first batch and weights, the same loss, gradients and
updated weights. Then it chooses its fastest way to take the step, and with several threads whether to use them. Then
rounds of steps are taken in turns, because the machine may be shared and its speed drift. saltus' time includes making
the examples; so does the peers' for icl_regression, while those of the other systems find theirs ready.

--setup makes a Python environment for the peers with pip in saltus' cache folder, some gigabytes; later calls use it.
Without it, this Python's own PyTorch is compared. On Debian: apt-get install python3-torch libopenblas0-openmp."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from peers import environment, report
from peers.processes import Failed, Peer, Saltus, environments
from peers.systems import SYSTEMS

ROOT = Path(__file__).resolve().parent.parent
# Relative to the largest magnitude of each array; weights after the step in spacings of float32 numbers of that size;
# the movement of all weights relatively, where Adam makes a whole step of a gradient that is rounding alone.
TOLERANCE = {"loss": 1e-5, "gradients": 1e-4, "weights": 4, "movement": 0.1}
TRIAL_ROUNDS, TRIAL_STEPS = 3, 20


def show(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, load {load}"


def check(peer):
    found = peer.about["errors"]
    wrong = [what for what, most in TOLERANCE.items() if not found[what] <= most]
    if wrong:
        numbers = ", ".join(f"{what} {found[what]:.2g} (at most {TOLERANCE[what]:g})" for what in wrong)
        raise Failed(f"{peer.name} computes something else than saltus; its first step differs in: {numbers}", 1)


def start_peers(python, system, first_step, threads):
    """{(name, threads): the peer, ready}, and why others are missing. Of the environments the faster stays."""
    peers, missing = {}, {}
    for library, form in SYSTEMS[system].peers():
        for n in sorted({1, *threads}):
            for variables in environments(n):
                peer = Peer(python, system, library, form, first_step, n, variables)
                show(f"{peer.name}: trying its ways with {report.counted(n)}")
                if not peer.choose(TRIAL_ROUNDS, TRIAL_STEPS):
                    missing[peer.name] = "; ".join(f"{way}: {why}" for way, why in peer.about["failed"].items())
                    peer.close()
                    continue
                check(peer)
                slower = peers.get((peer.name, n))
                if slower and slower.about["ms"] < peer.about["ms"]:
                    slower, peer = peer, slower
                peers[peer.name, n] = peer
                if slower:
                    slower.close()
    show("")
    return peers, missing


def at_their_best(peers, threads):
    """Each peer with 1 thread or with `threads`, whichever was faster in its trial: at these sizes a second thread may
    cost more than it brings."""
    names = dict.fromkeys(name for name, _ in peers)
    candidates = {name: [peers[name, n] for n in {1, threads} if (name, n) in peers] for name in names}
    return [min(found, key=lambda peer: peer.about["ms"]) for found in candidates.values()]


def take_turns(systems, threads, rounds, steps):
    """{name: rounds}; every other round goes the other way, so that no one always follows the same one."""
    times = {system.name: [] for system in systems}
    for i in range(rounds):
        for system in systems if i % 2 == 0 else systems[::-1]:
            show(f"{report.counted(threads)}, round {i + 1} of {rounds}: {system.name}")
            times[system.name].append(system.time_round(steps, threads))
    show("")
    return times


def measure(program, python, system, arguments):
    """All of one system, as what --json holds; prints it."""
    saltus = Saltus(program, SYSTEMS[system].config)
    with tempfile.TemporaryDirectory() as first_step:
        for threads in arguments.threads:
            own = saltus.bench(threads, "--first-step", first_step, "--rounds", 1, "--steps", TRIAL_STEPS)
            if own["threads"] != threads:
                raise Failed(f"saltus would use {own['threads']} threads at most: the config has as many shards", 2)
        peers, missing = start_peers(python, system, first_step, arguments.threads)
    if not peers:
        raise Failed("no peer works: " + "; ".join(f"{name}: {why}" for name, why in missing.items()), 1)
    try:
        libraries = sorted({peer.about["library"] for peer in peers.values()})
        print(f"\n{system} ({SYSTEMS[system].config}, {own['samples']} samples a step)\n{'; '.join(libraries)}")
        for name, n in peers:
            if n == 1:
                print(report.errors(name, peers[name, n].about["errors"]))
        tables = {}
        for threads in arguments.threads:
            chosen = at_their_best(peers, threads)
            times = take_turns([saltus, *chosen], threads, arguments.rounds, arguments.steps)
            about = {p.name: {**p.about, "threads": p.threads, "asked_threads": threads} for p in chosen}
            tables[threads] = report.rows(times, about)
    finally:
        for peer in peers.values():
            peer.close()
    print(f"\n{report.table(tables)}\n")
    for threads, found in tables.items():
        print(report.details(threads, found))
    split = own["split_ms"]
    print(
        f"saltus' step: {own['flops'] / 1e6:.1f} MFLOP; on one thread, sampling takes {split['sampling']:.3f} ms, "
        f"forward and backward {split['plan']:.3f}, gradient reduction and update {split['update']:.3f}"
    )
    for name, why in missing.items():
        print(f"missing: {name}: {why}")
    for caveat in sorted({peer.about["caveat"] for peer in peers.values() if peer.about["caveat"]}):
        print(f"beware: {caveat}")
    return {
        "config": SYSTEMS[system].config,
        "libraries": libraries,
        "missing": missing,
        "saltus": own,
        "tables": tables,
    }


def draw(results, file, python):
    able = next((p for p in (sys.executable, python) if environment.has(p, "matplotlib")), None)
    if able is None:
        raise Failed(f"--picture: neither {sys.executable} nor {python} has matplotlib", 2)
    command = [able, "-m", "peers.picture", os.path.abspath(file)]
    if subprocess.run(command, cwd=ROOT / "scripts", input=json.dumps(results), text=True).returncode != 0:
        raise Failed("the picture could not be drawn", 1)


def parse():
    parser = argparse.ArgumentParser(
        prog="bench_peers.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=f"of {', '.join(SYSTEMS)} (default: the first)")
    parser.add_argument("--setup", action="store_true", help="make the peers' Python environment, and nothing else")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="a column for each of these (default: 1)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each system (default: 15)")
    parser.add_argument("--steps", type=int, default=50, help="steps a round (default: 50)")
    parser.add_argument("--json", metavar="FILE", help="write all numbers there, round by round")
    parser.add_argument("--picture", metavar="FILE", help="draw saltus' share of each peer's time there")
    parser.add_argument("--saltus", metavar="PROGRAM", help="default: build/release's, brought up to date")
    parser.add_argument("--python", metavar="PROGRAM", help="the peers' Python; default: --setup's, else this one")
    arguments = parser.parse_args()
    arguments.systems = arguments.systems or [next(iter(SYSTEMS))]
    for system in arguments.systems:
        if system not in SYSTEMS:
            parser.error(f"there is no system {system} to compare; there are {', '.join(SYSTEMS)}")
    if arguments.rounds < 2:
        parser.error("--rounds: quartiles need at least 2")
    if arguments.steps < 1 or min(arguments.threads) < 1:
        parser.error("--steps and --threads are at least 1")
    return arguments


def run(arguments):
    if arguments.setup:
        return environment.set_up()
    python = environment.find(arguments.python)
    if python is None:
        raise Failed(
            f"{arguments.python or sys.executable} has no numpy and PyTorch: make an environment that has with "
            f"scripts/bench_peers.py --setup, or {environment.DEBIAN} and run this with Debian's /usr/bin/python3",
            2,
        )
    program = arguments.saltus or str(ROOT / "build/release/bin/saltus")
    if not arguments.saltus:
        built = subprocess.run([ROOT / "scripts/saltus", "--version"], stdout=subprocess.DEVNULL)
        if built.returncode != 0:
            raise Failed("saltus cannot be built", 1)
    results = {"machine": machine(), "systems": {}}
    print(results["machine"])
    for system in arguments.systems:
        results["systems"][system] = measure(program, python, system, arguments)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=1)
    if arguments.picture:
        draw(results, arguments.picture, python)
    return 0


def main():
    try:
        sys.exit(run(parse()))
    except Failed as failure:
        message, status = failure.args
        print(f"bench_peers.py: {message}", file=sys.stderr)
        sys.exit(status)


if __name__ == "__main__":
    main()
