#!/usr/bin/python3
"""Times saltus' training step next to other systems' on the same model, sizes and weights.

First each peer has to agree with saltus: from saltus' own first batch and weights, the same loss, gradients and updated
weights. Then
rounds of steps are taken in turns - saltus, peer, peer, saltus, ... - because the machine may be shared and its speed drift. saltus'
time includes making the examples; the peers find theirs ready. Debian: apt-get install python3-torch libopenblas0-openmp."""
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
SYSTEMS = {"icl_classification": "configs/icl_classification/abrupt.yaml"}
# Relative to the largest magnitude in each array; parameters after the step: in spacings of float32 numbers of that magnitude.
TOLERANCE = {"loss": 1e-5, "gradients": 1e-4, "parameters": 4}
TRIAL_ROUNDS, TRIAL_STEPS = 3, 20


def fail(message, code):
    print(f"bench_peers.py: {message}", file=sys.stderr)
    sys.exit(code)


class Saltus:
    name = "saltus, examples included"

    def __init__(self, program, config, threads):
        self.command = [program, "bench", str(ROOT / config), "--threads", str(threads), "--json"]
        self.threads = threads

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
        command = [sys.executable, "-m", "peers.worker", system, first_step, str(threads)]
        self.process = subprocess.Popen(command, cwd=ROOT / "scripts", env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.threads = threads
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
    def __init__(self, worker, name):
        self.worker, self.key = worker, name
        self.library, self.caveat = worker.peers[name]["library"], worker.peers[name]["caveat"]
        self.name = f"{self.library.split()[0]}, {name}"

    def check(self):
        return self.worker.ask(do="check", peer=self.key)

    def time_round(self, steps):
        return self.worker.ask(do="round", peer=self.key, steps=steps)


def environments(threads):
    """The caller's environment with `threads` threads, without and, where the caller sets any, with its tuning of OpenBLAS: such a
    variable may hold OpenBLAS back, or may be what makes it work at full speed on this machine."""
    pinned = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
    inherited = {**os.environ, **pinned}
    tuned = [name for name in inherited if name.startswith("OPENBLAS_") and name not in pinned]
    yield {name: value for name, value in inherited.items() if name not in tuned}
    if tuned:
        yield inherited


def fastest_worker(system, first_step, threads):
    """Of one worker for each environment, and for 1 as well as for `threads` threads, the one whose fastest peer is fastest in a short
    trial: at these sizes a peer's threads may cost more than they bring."""
    workers = [Worker(system, first_step, n, environment) for n in {1, threads} for environment in environments(n)]

    def best(worker):
        return min(worker.ask(do="round", peer=name, steps=TRIAL_STEPS) for name in worker.peers for _ in range(TRIAL_ROUNDS))

    workers.sort(key=best)
    for worker in workers[1:]:
        worker.close()
    return workers[0]


def take_turns(systems, rounds, steps):
    """{name: milliseconds a step, one a round}; every other round in reverse order, so that no one always follows the same one."""
    times = {system.name: [] for system in systems}
    for i in range(rounds):
        for system in systems if i % 2 == 0 else systems[::-1]:
            times[system.name].append(system.time_round(steps))
            show(f"round {i + 1} of {rounds}")
    show("")
    return times


def show(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def check(peers):
    errors = {}
    for peer in peers:
        errors[peer.name] = found = peer.check()
        print(f"{peer.name}: first step as saltus' but for {found['loss']:.0e} of the loss, {found['gradients']:.0e} of the gradients "
              f"({found['worst']} the furthest), {found['parameters']:.1f} float32 spacings of the parameters after it")
        wrong = [what for what, most in TOLERANCE.items() if not found[what] <= most]
        if wrong:
            fail(f"{peer.name} computes something else than saltus: its {' and '.join(wrong)} differ by more than float32 explains", 1)
    return errors


def report(threads, times):
    """Prints one table; returns it."""
    own = times[Saltus.name]
    print(f"\n{f'{threads} thread' + 's' * (threads > 1):<36}{'ms/step, median':>16}{'quartiles':>18}{'best':>9}   times saltus, by the rounds' ratios")
    rows = {}
    for name, ms in times.items():
        low, _, high = quantiles(ms, n=4)
        low_ratio, ratio, high_ratio = quantiles([theirs / ours for theirs, ours in zip(ms, own)], n=4)
        print(f"{name:<36}{median(ms):>16.2f}{f'{low:.2f} .. {high:.2f}':>18}{min(ms):>9.2f}   {ratio:.2f}  ({low_ratio:.2f} .. {high_ratio:.2f})")
        rows[name] = {"ms_per_step": ms, "median": median(ms), "best": min(ms), "times_saltus": ratio}
    fastest = min((name for name in rows if name != Saltus.name), key=lambda name: rows[name]["median"])
    print(f"saltus takes {1 / rows[fastest]['times_saltus']:.2f} of the time of the faster peer ({fastest}); "
          f"best against best, {min(own) / rows[fastest]['best']:.2f}")
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
            fail(f"the config has {own['shards']} shards: saltus would use no more than {own['threads']} threads", 2)
        worker = fastest_worker(arguments.system, first_step, threads)
    peers = [Peer(worker, name) for name in worker.peers]
    caveats = sorted({peer.caveat for peer in peers if peer.caveat})
    print(f"\n{'; '.join(sorted({peer.library for peer in peers}))}, {worker.threads} of {threads} threads (the faster)")
    errors = check(peers)
    rows = report(threads, take_turns([saltus, *peers], arguments.rounds, arguments.steps))
    print("\n".join(caveats), end="\n" if caveats else "")
    worker.close()
    return {"threads": threads, "peer_threads": worker.threads, "caveats": caveats, "flops": own["flops"], "libraries": {peer.name: peer.library for peer in peers}, "errors": errors, "times": rows}


def main():
    parser = argparse.ArgumentParser(prog="bench_peers.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system", nargs="?", choices=SYSTEMS, default="icl_classification")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="one table for each number of threads (default: 1)")
    parser.add_argument("--rounds", type=int, default=21, help="rounds of every system (default: 21)")
    parser.add_argument("--steps", type=int, default=100, help="steps a round (default: 100)")
    parser.add_argument("--json", metavar="FILE", help="write all numbers there")
    parser.add_argument("--saltus", metavar="PROGRAM", help="measure this program; default: build/release/bin/saltus, brought up to date")
    arguments = parser.parse_args()
    missing = [name for name in ("numpy", "torch") if importlib.util.find_spec(name) is None]
    if missing:
        fail(f"{sys.executable} has no {' and no '.join(missing)}: apt-get install python3-torch python3-numpy libopenblas0-openmp, and run "
             "scripts/bench_peers.py with Debian's /usr/bin/python3", 2)
    program = arguments.saltus or str(ROOT / "build/release/bin/saltus")
    if not arguments.saltus and subprocess.run([ROOT / "scripts/saltus", "--version"], stdout=subprocess.DEVNULL).returncode != 0:
        fail("saltus cannot be built", 1)
    print(machine())
    tables = [measure(program, arguments, threads) for threads in arguments.threads]
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"machine": machine(), "system": arguments.system, "tables": tables}, file, indent=1)


if __name__ == "__main__":
    main()
