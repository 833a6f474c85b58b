"""scripts/bench_peers.py without the libraries that it compares with: a stand-in answers for its peers' processes."""

import json
import os
import stat
import subprocess
import sys
import unittest

from command import HERE, SALTUS, CommandTest

SCRIPT = os.path.join(HERE, "../../scripts/bench_peers.py")
EXACT = {"loss": 0, "gradients": 0, "weights": 0, "movement": 0}
# Called as `PROGRAM -m peers.worker SYSTEM LIBRARY FORM FOLDER THREADS`; other calls ask for modules, and it has all.
STAND_IN = """\
#!/usr/bin/python3
import json, sys
if "peers.worker" not in sys.argv:
    sys.exit()
library, threads = sys.argv[4], int(sys.argv[7])
about = {about}[library]
for line in sys.stdin:
    if json.loads(line)["do"] == "choose":
        print(json.dumps({{"failed": {{}}, **about}}), flush=True)
    else:
        print(json.dumps({{"ms": 1, "cores": {cores}}}), flush=True)
"""


class BenchPeers(CommandTest):
    def bench(self, *args, rc=0):
        env = {**os.environ, "SALTUS_CACHE": self.path("cache"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([sys.executable, SCRIPT, *args], capture_output=True, text=True, env=env, timeout=120)
        self.assertEqual(done.returncode, rc, done.stdout + done.stderr)
        return done.stdout, done.stderr

    def stand_in(self, cores=1, **changed):
        """A Python whose PyTorch agrees with saltus and takes 1 ms a step, and that has no JAX."""
        peer = {"way": "a way", "errors": EXACT, "ms": 1, "library": "PyTorch 9", "caveat": None, **changed}
        about = {"eager": peer, "compile": {**peer, "way": "compiled"}, "jax": {"failed": {"import": "no jax here"}}}
        file = self.write("python", STAND_IN.format(about=about, cores=cores))
        os.chmod(file, os.stat(file).st_mode | stat.S_IXUSR)
        return ["icl_regression", "--saltus", SALTUS, "--python", file, "--rounds", "2", "--steps", "5"]

    def test_arguments_that_make_no_sense_are_refused(self):
        self.assertIn("there is no system rnn to compare; there are icl_class", self.bench("rnn", rc=2)[1])
        self.assertIn("--rounds: quartiles need at least 2", self.bench("--rounds", "1", rc=2)[1])
        self.assertIn("--steps and --threads are at least 1", self.bench("--threads", "0", rc=2)[1])

    def test_without_pytorch_it_says_how_to_get_one(self):
        err = self.bench("--python", "/bin/false", rc=2)[1]
        self.assertEqual(
            err,
            "bench_peers.py: /bin/false has no numpy and PyTorch: make an environment that has with "
            "scripts/bench_peers.py --setup, or apt-get install python3-torch python3-numpy libopenblas0-openmp and "
            "run this with Debian's /usr/bin/python3\n",
        )

    def test_an_environment_that_is_there_is_not_made_again(self):
        os.makedirs(self.path("cache", "peers"))
        self.write("cache/peers/complete", "")
        self.assertIn(f"the environment is there already: {self.path('cache', 'peers')}", self.bench("--setup")[1])

    def test_rounds_become_a_table_and_a_file(self):
        out, _ = self.bench(*self.stand_in(), "--json", self.path("peers.json"))
        self.assertRegex(out, r"\nPyTorch eager, as written +1.000 ms   \d+\.\d{3} \(\d+\.\d{3} .. \d+\.\d{3}\)\n")
        self.assertIn("\nmissing: JAX jit, as written: import: no jax here\n", out)
        self.assertNotIn("beware", out)
        found = json.loads(self.read("peers.json"))["systems"]["icl_regression"]
        peer, own = (found["tables"]["1"][name] for name in ("torch.compile, as written", "saltus, examples included"))
        self.assertEqual(peer["way"], "compiled")
        self.assertEqual(peer["ms_per_step"], [1, 1])
        self.assertAlmostEqual(peer["saltus_share"], sum(own["ms_per_step"]) / 2)

    def test_a_peer_on_more_cores_than_it_was_given_is_shown_up(self):
        self.assertIn("beware: that is more than the 1 thread it was given", self.bench(*self.stand_in(cores=1.9))[0])

    def test_a_peer_that_computes_something_else_is_not_timed(self):
        out, err = self.bench(*self.stand_in(errors={**EXACT, "gradients": 0.5}), rc=1)
        self.assertIn(
            "computes something else than saltus; its first step differs in: gradients 0.5 (at most 0.0001)", err
        )
        self.assertNotIn("takes", out)


if __name__ == "__main__":
    unittest.main()
