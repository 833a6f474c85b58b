"""The Python in which the peers run: an environment of their own in saltus' cache folder, or Debian's packages."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("torch", "jax", "numpy", "matplotlib", "setuptools")  # torch.compile wants the last
SIZE = "3 GB to download, 6 GB on disk: PyPI's torch brings CUDA's libraries along"
DEBIAN = "apt-get install python3-torch python3-numpy libopenblas0-openmp"


def folder():
    """Where the environment is made; None where there is no cache folder."""
    if os.environ.get("SALTUS_CACHE"):
        return Path(os.environ["SALTUS_CACHE"]) / "peers"
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "saltus/peers"
    return Path(os.environ["HOME"]) / ".cache/saltus/peers" if os.environ.get("HOME") else None


def complete(place):
    """The file that says that the environment there is whole."""
    return place / "complete"


def has(python, *modules):
    """Whether this Python finds the modules; they are not loaded."""
    code = f"import importlib.util as u, sys; sys.exit(not all(u.find_spec(m) for m in {modules!r}))"
    try:
        return subprocess.run([python, "-c", code], stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def find(wanted=None):
    """The peers' Python: `wanted`, else the environment, else the one that runs this; None if it has no PyTorch."""
    place = folder()
    if wanted is None and place and complete(place).exists():
        return str(place / "bin/python")
    python = wanted or sys.executable
    return python if has(python, "numpy", "torch") else None


def say(message):
    print(f"bench_peers.py: {message}", file=sys.stderr, flush=True)


def set_up():
    """Makes the environment, or says what is missing; the exit status."""
    place = folder()
    if place is None:
        say("where is the cache folder? None of SALTUS_CACHE, XDG_CACHE_HOME and HOME is set")
        return 2
    if complete(place).exists():
        say(f"the environment is there already: {place} (remove the folder to make it anew)")
        return 0
    if importlib.util.find_spec("ensurepip") is None:
        say(f"{sys.executable} makes no environments: apt-get install python3-venv")
        return 2
    if shutil.which("c++") is None and shutil.which("g++") is None:
        say("torch.compile will not work without a C++ compiler: apt-get install g++ python3-dev")
    say(f"making {place} with pip: {', '.join(PACKAGES)}; about {SIZE}")
    place.parent.mkdir(parents=True, exist_ok=True)
    if subprocess.run([sys.executable, "-m", "venv", place]).returncode != 0:
        say("python3 -m venv failed; its message is above")
        return 1
    python = str(place / "bin/python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--retries", "1", "install"]
    if subprocess.run([*pip, *PACKAGES], stdout=sys.stderr).returncode != 0:
        say("pip could not get the packages; its message is above")
        return fall_back()
    if not has(python, *PACKAGES):
        say(f"pip is done, and yet {python} does not find all of {', '.join(PACKAGES)}")
        return 1
    complete(place).touch()
    say("ready; bench_peers.py uses it from now on")
    return 0


def fall_back():
    """Debian's PyTorch, without JAX, takes the environment's place; the exit status."""
    if not has(sys.executable, "numpy", "torch"):
        install = ". scripts/lib/setup.sh && need_packages bench"
        subprocess.run(["bash", "-c", install], cwd=ROOT, stdout=sys.stderr)
    if not has(sys.executable, "numpy", "torch"):
        say(f"{sys.executable} has no PyTorch either: {DEBIAN}, and run this with Debian's /usr/bin/python3")
        return 1
    say(f"{sys.executable} has a PyTorch: without the environment it stands for the peers, and JAX is left out")
    return 0
