"""The systems that take turns, as processes: saltus, and each peer with its own threads and environment."""

import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

from peers.systems import LIBRARIES

ROOT = Path(__file__).resolve().parent.parent.parent


class Failed(Exception):
    """(message, exit status)"""


class Saltus:
    name = "saltus, examples included"

    def __init__(self, program, config):
        self.command = [program, "bench", str(ROOT / config), "--json"]

    def bench(self, threads, *arguments):
        command = [*self.command, "--threads", str(threads), *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Failed("saltus failed", done.returncode)
        return json.loads(done.stdout)

    def time_round(self, steps, threads):
        """As a peer's; the cores are those of the whole process, its start included."""

        def cpu():
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            return used.ru_utime + used.ru_stime

        start, start_cpu = time.perf_counter(), cpu()
        ms = self.bench(threads, "--rounds", 1, "--steps", steps)["ms_per_step"][0]
        return {"ms": ms, "cores": (cpu() - start_cpu) / (time.perf_counter() - start)}


class Peer:
    """scripts/peers/worker.py as a process. What it prints aside goes to a file, of which a failure shows the end."""

    def __init__(self, python, system, library, form, first_step, threads, environment):
        self.library, self.form, self.threads = library, form, threads
        self.name = f"{LIBRARIES[library][0]}, {form}"
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [python, "-m", "peers.worker", system, library, form, first_step, str(threads)],
            cwd=ROOT / "scripts",
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        self.about = {}

    def ask(self, **request):
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # then there is no answer either
        answer = self.process.stdout.readline()
        if not answer:
            self.log.seek(0)
            raise Failed(f"{self.name}: the process died:\n{self.log.read()[-2000:]}", 1)
        return json.loads(answer)

    def choose(self, rounds, steps):
        """Lets it choose its fastest way; false if it has none. The process stays ready for rounds."""
        self.about = self.ask(do="choose", rounds=rounds, steps=steps)
        return "ms" in self.about

    def time_round(self, steps, _threads):
        return self.ask(do="round", steps=steps)

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait()


def environments(threads):
    """The caller's environment with `threads` threads for whatever library reads it, before that is loaded; without
    and, where the caller sets any, with its tuning of OpenBLAS: such a variable may hold OpenBLAS back, or may be what
    makes it work at full speed on this machine."""
    pinned = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
    pinned["NPROC"] = str(threads)  # XLA's
    pinned.update(CUDA_VISIBLE_DEVICES="", JAX_PLATFORMS="cpu", TORCHINDUCTOR_COMPILE_THREADS="1")
    inherited = {**os.environ, **pinned}
    tuned = [name for name in inherited if name.startswith("OPENBLAS_") and name not in pinned]
    yield {name: value for name, value in inherited.items() if name not in tuned}
    if tuned:
        yield inherited
