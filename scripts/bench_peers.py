#!/usr/bin/python3
"""Times saltus' training step next to other systems' on the same model, sizes and weights.

First each peer has to agree with saltus: from saltus' own first batch and weights, the same loss, gradients and
updated weights. Then rounds of steps are taken in turns, because the machine may be shared and its speed drift.
saltus' time includes making the examples; so does the peers' for icl_regression, while those of the other systems
find theirs ready.

On Debian: apt-get install python3-torch libopenblas0-openmp."""
import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parent.parent
# A system here is a config and scripts/peers/<system>.py, whose PEERS name and make its peers.
SYSTEMS = {
    "icl_classification": "configs/icl_classification/abrupt.yaml",
    "icl_regression": "configs/icl_regression/two_heads.yaml",
    "titans_recall": "configs/titans/recall_memory.yaml",
    "lama": "configs/lama/speed.yaml",
}
# Relative to the largest magnitude of each array; weights after the step in spacings of float32 numbers of that size.
TOLERANCE = {"loss": 1e-5, "gradients": 1e-4, "weights": 4}
TRIAL_ROUNDS, TRIAL_STEPS = 3, 20


def fail(message, code):
    print(f"bench_peers.py: {message}", file=sys.stderr)
    sys.exit(code)


class Saltus:
    name = "saltus, examples included"

    def __init__(self, program, config, threads):
        self.command = [program, "bench", str(ROOT / config), "--threads", str(threads), "--json"]

    def bench(self, *arguments):
        done = subprocess.run([*self.command, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            fail("saltus failed", done.returncode)
        return json.loads(done.stdout)

    def time_round(self, steps):
        return self.bench("--rounds", 1, "--steps", steps)["ms_per_step"][0]


class Worker:
    """scripts/peers/worker.py as a process with its own threads and environment."""

    def __init__(self, system, first_step, threads, environment):
        self.threads = threads
        self.process = subprocess.Popen(
            [sys.executable, "-m", "peers.worker", system, first_step, str(threads)],
            cwd=ROOT / "scripts",
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.peers = self.ask(do="describe")

    def ask(self, **request):
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # then there is no answer either
        answer = self.process.stdout.readline()
        if not answer:
            fail("the peers' process died", 1)
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Peer:
    def __init__(self, worker, key):
        self.worker, self.key = worker, key
        self.library, self.caveat = worker.peers[key]["library"], worker.peers[key]["caveat"]
        self.name = f"{self.library.split()[0]}, {key}"

    def check(self):
        return self.worker.ask(do="check", peer=self.key)

    def time_round(self, steps):
        return self.worker.ask(do="round", peer=self.key, steps=steps)


def environments(threads):
    """The caller's environment with `threads` threads, without and, where the caller sets any, with its tuning of
    OpenBLAS: such a variable may hold OpenBLAS back, or may be what makes it work at full speed on this machine."""
    pinned = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
    inherited = {**os.environ, **pinned}
    tuned = [name for name in inherited if name.startswith("OPENBLAS_") and name not in pinned]
    yield {name: value for name, value in inherited.items() if name not in tuned}
    if tuned:
        yield inherited


def fastest_worker(system, first_step, threads):
    """Of one worker for each environment, and for 1 as well as for `threads` threads, the one whose fastest peer is
    fastest in a short trial: at these sizes a peer's threads may cost more than they bring."""
    show("trying thread counts and BLAS kernels for the peers")
    workers = [Worker(system, first_step, n, environment) for n in {1, threads} for environment in environments(n)]

    def best(worker):
        return min(
            worker.ask(do="round", peer=key, steps=TRIAL_STEPS) for key in worker.peers for _ in range(TRIAL_ROUNDS)
        )

    workers.sort(key=best)
    for worker in workers[1:]:
        worker.close()
    return workers[0]


def take_turns(systems, rounds, steps):
    """{name: milliseconds a step, one a round}; every other round goes the other way, so that no one always follows
    the same one."""
    times = {system.name: [] for system in systems}
    for i in range(rounds):
        for system in systems if i % 2 == 0 else systems[::-1]:
            show(f"round {i + 1} of {rounds}")
            times[system.name].append(system.time_round(steps))
    show("")
    return times


def show(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def check(peers):
    errors = {}
    for peer in peers:
        errors[peer.name] = found = peer.check()
        wrong = [what for what, most in TOLERANCE.items() if not found[what] <= most]
        if wrong:
            numbers = ", ".join(f"{what} {found[what]:.2g} (at most {TOLERANCE[what]:g})" for what in wrong)
            fail(f"{peer.name} computes something else than saltus; its first step differs in: {numbers}", 1)
        print(
            f"{peer.name}: first step as saltus' but for {found['loss']:.0e} of the loss, {found['gradients']:.0e} "
            f"of the gradients and {found['weights']:.0f} float32 spacings in the weights after it"
        )
    return errors


def report(threads, times):
    """Prints one table; returns its numbers by name. The share is the median, with quartiles, of the rounds' own
    ratios, which a drift of the machine's speed leaves alone."""
    own = times[Saltus.name]
    head = f"{threads} thread{'s' if threads > 1 else ''}"
    print(f"\n{head:<34}{'ms/step, median':>16}{'quartiles':>19}{'best':>8}   saltus takes of it")
    rows = {}
    for name, ms in times.items():
        low, _, high = quantiles(ms, n=4)
        low_share, share, high_share = quantiles([ours / theirs for theirs, ours in zip(ms, own)], n=4)
        print(
            f"{name:<34}{median(ms):>16.3f}{f'{low:.3f} .. {high:.3f}':>19}{min(ms):>8.3f}"
            + (f"   {share:.2f}  ({low_share:.2f} .. {high_share:.2f})" if name != Saltus.name else "")
        )
        rows[name] = {"ms_per_step": ms, "median": median(ms), "best": min(ms), "saltus_share": share}
    fastest = min((name for name in rows if name != Saltus.name), key=lambda name: rows[name]["median"])
    print(f"of the fastest peer's time ({fastest}), saltus takes {rows[fastest]['saltus_share']:.2f}")
    return rows


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, load {load}"


def measure(program, arguments, threads):
    """All of it for one number of threads, as what --json holds."""
    saltus = Saltus(program, SYSTEMS[arguments.system], threads)
    with tempfile.TemporaryDirectory() as first_step:
        own = saltus.bench("--first-step", first_step, "--rounds", 1, "--steps", TRIAL_STEPS)
        if own["threads"] != threads:
            fail(f"saltus would use {own['threads']} threads at most: the config has as many shards", 2)
        worker = fastest_worker(arguments.system, first_step, threads)
    show("")
    peers = [Peer(worker, key) for key in worker.peers]
    caveats = sorted({peer.caveat for peer in peers if peer.caveat})
    libraries = "; ".join(sorted({peer.library for peer in peers}))
    print(f"\n{libraries}" + (f", with {worker.threads} of {threads} threads: the faster" if threads > 1 else ""))
    errors = check(peers)
    rows = report(threads, take_turns([saltus, *peers], arguments.rounds, arguments.steps))
    split = own["split_ms"]
    print(
        f"saltus' step: {own['flops'] / 1e6:.1f} MFLOP; on one thread, sampling takes {split['sampling']:.3f} ms, "
        f"forward and backward {split['plan']:.3f}, gradient reduction and update {split['update']:.3f}"
    )
    for caveat in caveats:
        print(f"beware: {caveat}")
    worker.close()
    return {
        "threads": threads,
        "peer_threads": worker.threads,
        "libraries": {peer.name: peer.library for peer in peers},
        "caveats": caveats,
        "first_step_errors": errors,
        "times": rows,
        "saltus": own,
    }


def main():
    parser = argparse.ArgumentParser(
        prog="bench_peers.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("system", nargs="?", choices=SYSTEMS, default="icl_classification")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="a table for each of these (default: 1)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each system (default: 15)")
    parser.add_argument("--steps", type=int, default=50, help="steps a round (default: 50)")
    parser.add_argument("--json", metavar="FILE", help="write all numbers there")
    parser.add_argument("--saltus", metavar="PROGRAM", help="default: build/release's, brought up to date")
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error("--rounds: quartiles need at least 2")
    missing = [name for name in ("numpy", "torch") if importlib.util.find_spec(name) is None]
    if missing:
        fail(
            f"{sys.executable} has no {' and no '.join(missing)}: apt-get install python3-numpy python3-torch "
            "libopenblas0-openmp, and run this with Debian's /usr/bin/python3",
            2,
        )
    program = arguments.saltus or str(ROOT / "build/release/bin/saltus")
    if not arguments.saltus:
        built = subprocess.run([ROOT / "scripts/saltus", "--version"], stdout=subprocess.DEVNULL)
        if built.returncode != 0:
            fail("saltus cannot be built", 1)
    print(machine())
    tables = [measure(program, arguments, threads) for threads in arguments.threads]
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"machine": machine(), "system": arguments.system, "tables": tables}, file, indent=1)


if __name__ == "__main__":
    main()
